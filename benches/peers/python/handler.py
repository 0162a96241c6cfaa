"""The function's main job as it is commonly written in Python: described, compared, published."""

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TOPIC_ARN = os.environ["TOPIC_ARN"]
CONCURRENCY = int(os.environ.get("CONCURRENCY", "8"))
BATCH = 10  # messages that one PublishBatch call takes

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

# One connection for each thread; botocore keeps 10 by default and opens the others anew for each call.
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
    """What the import's description says that its record does not. A failed check is logged, and the next one makes up for it."""
    before = record.get("State")
    if before == "COMPLETED":
        return None
    try:
        description = workspaces.describe_custom_workspace_image_import(ImageId=record["ImageId"])
    except (BotoCoreError, ClientError):
        logger.exception("%s was not described", record["ImageId"])
        return None
    to = description.get("State")
    if to is None or to == before:
        return None
    message = {
        "ImageId": record["ImageId"],
        "Sequence": record["Sequence"] + 1,
        "From": before,
        "To": to,
        "StateMessage": description.get("StateMessage"),
        "ProgressPercentage": description.get("ProgressPercentage"),
        "ErrorDetails": description.get("ErrorDetails", []),
    }
    return {"record": record, "message": message}


def publish(transitions):
    """Publishes at most ten transitions and returns those that SNS took."""
    entries = [
        {
            "Id": str(index),
            "Subject": f"Image import {message['ImageId']}: {message['To']}",
            "Message": json.dumps(message),
            "MessageAttributes": {"To": {"DataType": "String", "StringValue": message["To"]}},
        }
        for index, message in enumerate(transition["message"] for transition in transitions)
    ]
    answer = sns.publish_batch(TopicArn=TOPIC_ARN, PublishBatchRequestEntries=entries)
    for failed in answer.get("Failed", []):
        logger.error("not published: %s", failed)
    return [transitions[int(taken["Id"])] for taken in answer.get("Successful", [])]


def overall_status(states):
    states = list(states)
    if any(state not in ("COMPLETED", "ERROR") for state in states):
        return "PENDING"
    return "FAILED" if "ERROR" in states else "COMPLETED"
