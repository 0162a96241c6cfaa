#!/usr/bin/env bash
# Rolls the core stack out to an organizational unit with StackSets; see docs/fleets.md. Run it in the root of the repository.
# It needs jq, and the buckets $BUCKET-REGION. Nobody has run it in an account yet.
set -euo pipefail
BUCKET=my-artifacts REGION=eu-west-1 OTHER_REGIONS="us-east-1 ap-southeast-2"
TOPIC_ARN=arn:aws:sns:eu-west-1:123456789012:image-imports UNIT=ou-ab12-c3d4e5f6

# Build, and upload the code and the workflows.
sam build
sam package --s3-bucket $BUCKET-$REGION --s3-prefix image-imports --output-template-file packaged.yaml

# Let CloudFormation expand the transform. This creates no resources.
aws s3 cp packaged.yaml s3://$BUCKET-$REGION/image-imports/packaged.yaml
aws cloudformation create-change-set --stack-name expand --change-set-name expand --change-set-type CREATE \
  --template-url https://$BUCKET-$REGION.s3.$REGION.amazonaws.com/image-imports/packaged.yaml \
  --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND
aws cloudformation wait change-set-create-complete --stack-name expand --change-set-name expand
aws cloudformation get-template --stack-name expand --change-set-name expand --template-stage Processed \
  --query TemplateBody --output json > expanded.json
aws cloudformation delete-stack --stack-name expand

# Read the code from the bucket of each Region.
jq --arg bucket $BUCKET --arg region $REGION \
  'del(.Transform) | walk(if . == "\($bucket)-\($region)" then {"Fn::Sub": "\($bucket)-${AWS::Region}"} else . end)' \
  expanded.json > stackset.json
aws s3 cp stackset.json s3://$BUCKET-$REGION/image-imports/stackset.json

# Copy what was uploaded to the buckets of the other Regions.
for region in $OTHER_REGIONS; do
  aws s3 sync s3://$BUCKET-$REGION/image-imports s3://$BUCKET-$region/image-imports \
    --source-region $REGION --region $region
done

# Create the stacks.
aws cloudformation create-stack-set --stack-set-name image-imports \
  --template-url https://$BUCKET-$REGION.s3.$REGION.amazonaws.com/image-imports/stackset.json \
  --permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false \
  --capabilities CAPABILITY_IAM \
  --parameters ParameterKey=TopicArn,ParameterValue=$TOPIC_ARN
aws cloudformation create-stack-instances --stack-set-name image-imports \
  --deployment-targets OrganizationalUnitIds=$UNIT --regions $REGION $OTHER_REGIONS
