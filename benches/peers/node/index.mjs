// The function's main job as commonly written in JavaScript: describe imports, compare their states, publish the changes.

import { PublishBatchCommand, SNSClient } from "@aws-sdk/client-sns";
import { DescribeCustomWorkspaceImageImportCommand, WorkSpacesClient } from "@aws-sdk/client-workspaces";
import pLimit from "p-limit";

const { TOPIC_ARN, CONCURRENCY = "8" } = process.env;
const BATCH = 10; // maximum number of messages per PublishBatch call

const workspaces = new WorkSpacesClient();
const sns = new SNSClient();
const limit = pLimit(Number(CONCURRENCY));

export async function handler(event) {
  const imports = event.Imports.map((record) => ({ ...record, Sequence: record.Sequence ?? 0 }));
  const transitions = (await limit.map(imports, findTransition)).filter(Boolean);
  const batches = [];
  for (let start = 0; start < transitions.length; start += BATCH) {
    batches.push(transitions.slice(start, start + BATCH));
  }
  for (const { record, message } of (await limit.map(batches, publish)).flat()) {
    record.State = message.To;
    record.Sequence = message.Sequence;
  }
  const status = overallStatus(imports.map((record) => record.State));
  console.log(`${imports.length} imports checked, ${transitions.length} transitions, ${status}`);
  return { Status: status, Imports: imports };
}

// Describes an import and compares its state with the record. A failure is logged, and the next check tries again.
async function findTransition(record) {
  if (record.State === "COMPLETED") return null;
  let description;
  try {
    description = await workspaces.send(new DescribeCustomWorkspaceImageImportCommand({ ImageId: record.ImageId }));
  } catch (error) {
    console.error(`describe failed: ${record.ImageId}`, error);
    return null;
  }
  const to = description.State;
  if (to === undefined || to === record.State) return null;
  const message = {
    ImageId: record.ImageId,
    Sequence: record.Sequence + 1,
    From: record.State ?? null,
    To: to,
    StateMessage: description.StateMessage ?? null,
    ProgressPercentage: description.ProgressPercentage ?? null,
    ErrorDetails: description.ErrorDetails ?? [],
  };
  return { record, message };
}

// Publishes at most ten transitions and returns those that SNS accepted.
async function publish(transitions) {
  const entries = transitions.map(({ message }, index) => ({
    Id: String(index),
    Subject: `Image import ${message.ImageId}: ${message.To}`,
    Message: JSON.stringify(message),
    MessageAttributes: { To: { DataType: "String", StringValue: message.To } },
  }));
  const output = await sns.send(new PublishBatchCommand({ TopicArn: TOPIC_ARN, PublishBatchRequestEntries: entries }));
  for (const failed of output.Failed ?? []) console.error("publish failed", failed);
  return (output.Successful ?? []).map((accepted) => transitions[Number(accepted.Id)]);
}

function overallStatus(states) {
  if (states.some((state) => state !== "COMPLETED" && state !== "ERROR")) return "PENDING";
  return states.includes("ERROR") ? "FAILED" : "COMPLETED";
}
