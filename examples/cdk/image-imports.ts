// The core stack of workspaces-image-import as a construct of the AWS CDK: the function, its schedule with discovery,
// the ledger, the topics, the workflow TrackImports, and the alarms.
//
//   npm install aws-cdk-lib constructs
//   KIT=workspaces-image-import-X.Y.Z-arm64-kit EMAIL=you@example.com npx cdk deploy --app 'node image-imports.ts'
//
// KIT is the folder of an unpacked deploy kit. Its function.zip is the zip file of the release. Node.js runs TypeScript
// from version 22.18.

import { join } from 'node:path';

import {
  App, CfnOutput, Duration, RemovalPolicy, Stack,
  aws_cloudwatch as cloudwatch, aws_cloudwatch_actions as actions, aws_dynamodb as dynamodb, aws_iam as iam,
  aws_lambda as lambda, aws_logs as logs, aws_scheduler as scheduler, aws_scheduler_targets as targets,
  aws_sns as sns, aws_sns_subscriptions as subscriptions, aws_stepfunctions as stepfunctions,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';

export interface ImageImportsProps {
  /** The folder of an unpacked deploy kit. */
  kit: string;
  /** The architecture of the kit. */
  architecture: lambda.Architecture;
  /** Receives the announcements and the alarms. */
  email: string;
}

export class ImageImports extends Construct {
  readonly topic: sns.Topic;
  readonly function: lambda.Function;
  readonly trackImports: stepfunctions.StateMachine;

  constructor(scope: Construct, id: string, props: ImageImportsProps) {
    super(scope, id);

    this.topic = new sns.Topic(this, 'Topic');
    new sns.CfnSubscription(this, 'EmailSubscription', {
      topicArn: this.topic.topicArn,
      protocol: 'email',
      endpoint: props.email,
      // The first announcement of an import, its end, stalls, and self-tests. The class Subscription knows no $or.
      filterPolicy: {
        $or: [{ From: [{ exists: false }] }, { Outcome: ['COMPLETED', 'FAILED'] }, { Kind: ['STALLED', 'TEST'] }],
      },
    });

    // With an empty ledger, the function would announce every import again.
    const ledger = new dynamodb.Table(this, 'Ledger', {
      partitionKey: { name: 'ImageId', type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      deletionProtection: true,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      removalPolicy: RemovalPolicy.RETAIN,
    });

    const logGroup = new logs.LogGroup(this, 'FunctionLogGroup', {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // A role that the function makes by itself could write to every log group.
    const role = new iam.Role(this, 'FunctionRole', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    role.addToPolicy(new iam.PolicyStatement({
      // Neither action supports resources.
      actions: ['workspaces:DescribeCustomWorkspaceImageImport', 'workspaces:DescribeWorkspaceImages'],
      resources: ['*'],
    }));
    this.topic.grantPublish(role);
    ledger.grant(role, 'dynamodb:BatchGetItem', 'dynamodb:PutItem', 'dynamodb:Scan');
    logGroup.grantWrite(role);

    this.function = new lambda.Function(this, 'Function', {
      code: lambda.Code.fromAsset(join(props.kit, 'function.zip')),
      handler: 'bootstrap',
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: props.architecture,
      memorySize: 128,
      timeout: Duration.minutes(1),
      role,
      logGroup,
      loggingFormat: lambda.LoggingFormat.JSON,
      environment: {
        TOPIC_ARN: this.topic.topicArn,
        LEDGER_TABLE: ledger.tableName,
        // The SDK slows down while a service throttles.
        AWS_RETRY_MODE: 'adaptive',
        AWS_NEW_RETRIES_2026: 'true',
      },
      // The next run of the schedule repeats a check that failed.
      maxEventAge: Duration.minutes(1),
      retryAttempts: 0,
    });

    new scheduler.Schedule(this, 'Schedule', {
      schedule: scheduler.ScheduleExpression.rate(Duration.minutes(5)),
      target: new targets.LambdaInvoke(this.function, {
        input: scheduler.ScheduleTargetInput.fromObject({ Discover: true }),
        maxEventAge: Duration.minutes(1),
        retryAttempts: 0,
      }),
    });

    this.trackImports = new stepfunctions.StateMachine(this, 'TrackImports', {
      definitionBody: stepfunctions.DefinitionBody.fromFile(join(props.kit, 'statemachine/track-imports.asl.json')),
      definitionSubstitutions: { Partition: Stack.of(this).partition, FunctionArn: this.function.functionArn },
    });
    this.function.grantInvoke(this.trackImports);

    this.addAlarms(props.email);
  }

  private addAlarms(email: string) {
    // The filter of the other subscription would drop alarms.
    const topic = new sns.Topic(this, 'AlarmTopic');
    topic.addSubscription(new subscriptions.EmailSubscription(email));
    const action = new actions.SnsAction(topic);
    const twice = {
      // Two hours, because two checks can be an hour apart.
      evaluationPeriods: 24,
      datapointsToAlarm: 2,
      threshold: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    };
    const checkErrors = new cloudwatch.Metric({
      namespace: 'WorkSpacesImageImport',
      metricName: 'CheckErrors',
      dimensionsMap: { FunctionName: this.function.functionName },
      statistic: 'Sum',
    });

    const alarms = [
      this.function.metricErrors().createAlarm(this, 'FunctionErrorsAlarm', {
        ...twice,
        alarmDescription: 'Invocations keep failing. Search the log group of the function for level ERROR.',
      }),
      checkErrors.createAlarm(this, 'CheckErrorsAlarm', {
        ...twice,
        alarmDescription: 'Single imports keep failing. Search the log group of the function for level WARN.',
      }),
      this.function.metricInvocations({ period: Duration.hours(1) }).createAlarm(this, 'ScheduleAlarm', {
        alarmDescription: 'Nothing has invoked the function for two hours, so nothing finds new imports.',
        evaluationPeriods: 2,
        threshold: 1,
        comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        // Without invocations, there is no data.
        treatMissingData: cloudwatch.TreatMissingData.BREACHING,
      }),
    ];
    for (const alarm of alarms) {
      alarm.addAlarmAction(action);
      alarm.addOkAction(action);
    }
    // No OK action: a quiet period does not mean that somebody dealt with the execution.
    this.trackImports.metricFailed().createAlarm(this, 'TrackImportsFailedAlarm', {
      alarmDescription: 'An execution of TrackImports failed. Its error and cause name the reason and the images.',
      evaluationPeriods: 1,
      threshold: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    }).addAlarmAction(action);
  }
}

const { KIT, EMAIL } = process.env;
if (!KIT || !EMAIL) {
  throw new Error('Set KIT and EMAIL.');
}
const stack = new Stack(new App(), 'workspaces-image-import');
const imports = new ImageImports(stack, 'ImageImports', {
  kit: KIT,
  email: EMAIL,
  architecture: KIT.includes('x86_64') ? lambda.Architecture.X86_64 : lambda.Architecture.ARM_64,
});
new CfnOutput(stack, 'FunctionName', { value: imports.function.functionName });
new CfnOutput(stack, 'TopicArn', { value: imports.topic.topicArn });
new CfnOutput(stack, 'TrackImportsArn', { value: imports.trackImports.stateMachineArn });
