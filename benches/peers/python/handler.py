"""The function's main job as commonly written in Python: describe imports, compare their states, publish the changes."""

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TOPIC_ARN = os.environ["TOPIC_ARN"]
CONCURRENCY = int(os.environ.get("CONCURRENCY", "8"))
BATCH = 10  # maximum number of messages per PublishBatch call

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

# One connection for each thread. By default, botocore keeps 10 and opens a new connection for every further call.
config = Config(max_pool_connections=CONCURRENCY)
workspaces = boto3.client("workspaces", config=config)
sns = boto3.client("sns", config=config)
threads = ThreadPoolExecutor(max_workers=CONCURRENCY)


def handler(event, context):
    imports = [{**record, "Sequence": record.get("Sequence", 0)} for record in event["Imports"]]
    transitions = [transition for transition in threads.map(find_transition, imports) if transition]
    batches = [transitions[start : start + BATCH] for start in range(0, len(transitions), BATCH)]
    for announced in threads.map(publish, batches):
        for transition in announced:
            transition["record"].update(State=transition["message"]["To"], Sequence=transition["message"]["Sequence"])
    status = overall_status(record.get("State") for record in imports)
    logger.info("%d imports checked, %d transitions, %s", len(imports), len(transitions), status)
    return {"Status": status, "Imports": imports}


def find_transition(record):
    """Describes an import and compares its state with the record. A failure is logged, and the next check tries again."""
    recorded = record.get("State")
    if recorded == "COMPLETED":
        return None
    try:
        description = workspaces.describe_custom_workspace_image_import(ImageId=record["ImageId"])
    except (BotoCoreError, ClientError):
        logger.exception("describe failed: %s", record["ImageId"])
        return None
    to = description.get("State")
    if to is None or to == recorded:
        return None
    message = {
        "ImageId": record["ImageId"],
        "Sequence": record["Sequence"] + 1,
        "From": recorded,
        "To": to,
        "StateMessage": description.get("StateMessage"),
        "ProgressPercentage": description.get("ProgressPercentage"),
        "ErrorDetails": description.get("ErrorDetails", []),
    }
    return {"record": record, "message": message}


def publish(transitions):
    """Publishes at most ten transitions and returns those that SNS accepted."""
    entries = [
        {
            "Id": str(index),
            "Subject": f"Image import {message['ImageId']}: {message['To']}",
            "Message": json.dumps(message),
            "MessageAttributes": {"To": {"DataType": "String", "StringValue": message["To"]}},
        }
        for index, message in enumerate(transition["message"] for transition in transitions)
    ]
    output = sns.publish_batch(TopicArn=TOPIC_ARN, PublishBatchRequestEntries=entries)
    for failed in output.get("Failed", []):
        logger.error("publish failed: %s", failed)
    return [transitions[int(accepted["Id"])] for accepted in output.get("Successful", [])]


def overall_status(states):
    states = list(states)
    if any(state not in ("COMPLETED", "ERROR") for state in states):
        return "PENDING"
    return "FAILED" if "ERROR" in states else "COMPLETED"
