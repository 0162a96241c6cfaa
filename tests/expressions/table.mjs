// The inputs and results of the state machines' expressions, for run.mjs.
//
// A row is [given, result]. `given` has what the expression can read: input, result, errorOutput, and context (the
// members of $states), and variables. FAILS means that the expression has no result, which fails the state.
//
// Most rows are about lists with 0, 1, or many items. JSONata returns a single result without its list, and no result
// at all for an empty one.

/** The result of an expression that fails. */
export const FAILS = "(the expression fails)";

/** Values for the substitutions in the definitions. */
export const SUBSTITUTIONS = { ConcurrentBatches: "4" };

const A = "wsi-0a1b2c3d4";
const B = "wsi-1b2c3d4e5";
const C = "wsi-2c3d4e5f6";

const record = (ImageId, State, Description) => ({
  ImageId,
  State,
  Outcome: { COMPLETED: "COMPLETED", ERROR: "FAILED", NOT_FOUND: "FAILED" }[State] ?? "PENDING",
  ...(Description && { Description }),
});
const response = (...Imports) => {
  const count = (outcome) => Imports.filter((one) => one.Outcome === outcome).length;
  const [Pending, Completed, Failed] = ["PENDING", "COMPLETED", "FAILED"].map(count);
  const Status = Pending ? "PENDING" : Failed ? "FAILED" : "COMPLETED";
  return { Status, Pending, Completed, Failed, Unchecked: 0, Imports, Transitions: [] };
};
const input = (value) => ({ input: value });
const batchOf = (count, make) => Array.from({ length: count }, (_, index) => make(`wsi-${100000000 + index}`));

const pending = record(A, "VALIDATING");
const completed = record(B, "COMPLETED");
const DISK_FULL = { ErrorCode: "DiskFull", ErrorMessage: "No space is left." };
const failed = record(C, "ERROR", { ErrorDetails: [DISK_FULL] });

// ── Input ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether WaitSeconds is invalid. */
const INVALID_WAIT = [
  [input({}), false],
  [input({ WaitSeconds: null }), false],
  ...[300, 0, -5, 45.2, 1e300, "600", "-5", "45.02"].map((valid) => [input({ WaitSeconds: valid }), false]),
  ...["abc", "", " ", "5 minutes", "0x1F", "1e3", "9".repeat(400)].map((text) => [input({ WaitSeconds: text }), true]),
  ...[[], [5], [5, 6], [[]], {}, { a: 1 }, true, false].map((other) => [input({ WaitSeconds: other }), true]),
];

/** An input of import-to-bundle, the parameters that it must have, and the values of those that it may lack. */
const PIPELINE = {
  Import: { ImageName: "a", ImageSource: { Ec2ImageId: "ami-1" }, InfrastructureConfigurationArn: "arn", OsVersion: "Windows_11" },
  Bundle: { ComputeType: { Name: "STANDARD" }, UserStorage: { Capacity: "50" } },
};
const PIPELINE_REQUIRED = [
  ...["Import.ImageName", "Import.ImageSource", "Import.InfrastructureConfigurationArn", "Import.OsVersion"],
  ...["Bundle.ComputeType", "Bundle.UserStorage"],
];
const IMPORT_DEFAULTS = {
  ImageDescription: "Imported by workspaces-image-import",
  ComputeType: "BASE",
  Protocol: "DCV",
  Platform: "WINDOWS",
};
const BUNDLE_DEFAULTS = { BundleDescription: "Created by workspaces-image-import" };

/** WaitSeconds for the batches: the value of the caller, or null. */
const FORWARDED_WAIT = [
  [input({}), null],
  [input({ WaitSeconds: null }), null],
  [input({ WaitSeconds: 60 }), 60],
  [input({ WaitSeconds: "60" }), "60"],
];

// ── Check ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The payload is the input, whatever it is. */
const SAME = [{}, { Imports: [] }, { Imports: [{ ImageId: A }], WaitSeconds: 60 }, response(pending), [], [1]].map(
  (value) => [input(value), value],
);
const PAYLOAD = [
  [{ result: { Payload: response(pending) } }, response(pending)],
  [{ result: { Payload: response() } }, response()],
  [{ result: { Payload: null } }, null],
  [{ result: {} }, FAILS],
];
const retried = (RetryCount) => ({ variables: { EventCount: 5 }, context: { State: { RetryCount } } });
const EVENT_COUNT = [
  [retried(0), 14],
  [retried(3), 23],
  [{ variables: { EventCount: 5 }, context: { State: {} } }, 14],
];
const paused = (Failures, WaitSeconds) => ({ variables: { Failures, WaitSeconds } });
const cause = (Cause) => ({ errorOutput: { Error: "Deadline", ...(Cause !== undefined && { Cause }) } });

// ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

const after = (Failures, value, AcceptFailed = false) => ({ input: value, variables: { Failures, AcceptFailed } });
const lastError = (Error, Cause, Failures = 1) => ({ variables: { Failures, LastError: { Error, Cause } } });
const DENIED =
  "User: arn:aws:sts::123456789012:assumed-role/a/b is not authorized to perform: lambda:InvokeFunction on resource: " +
  "arn:aws:lambda:eu-west-1:123456789012:function:f because no identity-based policy allows the " +
  "lambda:InvokeFunction action (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; " +
  "Request ID: 1; Proxy: null)";
const at = (EnteredTime, Pause, execution = {}) => ({
  variables: { Pause },
  context: { State: { EnteredTime }, Execution: { StartTime: "2026-01-01T00:00:00Z", ...execution } },
});
const events = (EventCount, execution = {}) => ({ variables: { EventCount }, context: { Execution: execution } });
const unsettled = (value, { Failures = 0, Limit = "after 3 days", LastError = {} } = {}) => ({
  input: value,
  variables: { Failures, Limit, LastError },
});
const CONTINUE =
  "To continue, start a new execution with the input of this state. " +
  "Add WaitSeconds and AcceptFailed to it if you need them.";

// ── Batches ────────────────────────────────────────────────────────────────────────────────────────────────────────

const batch = (items, value) => ({ input: { Items: items, BatchInput: {} }, result: { Output: value } });
const counts = (Items, Images, Completed, Failed, Pending) => ({ Items, Images, Completed, Failed, Pending });
const EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:TrackImports:1";
const childCause = (members) => JSON.stringify({ ExecutionArn: EXECUTION, Input: "{}", ...members });
const DENIED_CHILD = childCause({ Error: "WorkSpaces.AccessDeniedException", Cause: "No.", Status: "FAILED" });
const STOPPED_CHILD = childCause({ Status: "ABORTED" });

const trackBatch = {
  "Arguments.Input.AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": [[{ context: { Execution: { Id: "a" } } }, "a"]],
  "Arguments.Input.Imports": [
    [input({ Items: [A] }), [{ ImageId: A }]],
    [input({ Items: [{ ImageId: A, State: "PENDING" }] }), [{ ImageId: A, State: "PENDING" }]],
    [input({ Items: [A, { ImageId: B }, C] }), [{ ImageId: A }, { ImageId: B }, { ImageId: C }]],
    [input({ Items: [] }), []],
    // An item that is not in a batch.
    [input(A), [{ ImageId: A }]],
    [input({ ImageId: A }), [{ ImageId: A }]],
    // TrackImports rejects the following, with the place of each.
    [input({ Items: [5, null] }), [5, null]],
  ],
  "Arguments.Input.WaitSeconds": [
    [input({ Items: [A], BatchInput: { WaitSeconds: 60 } }), 60],
    [input({ Items: [A], BatchInput: { WaitSeconds: null } }), null],
    [input({ Items: [A] }), null],
    [input(A), null],
  ],
  Output: [
    [
      batch([A], response(record(A, "COMPLETED"))),
      { ...counts(1, 1, 1, 0, 0), FailedImages: [], PendingImages: [] },
    ],
    [
      batch([C], response(failed)),
      {
        ...counts(1, 1, 0, 1, 0),
        FailedImages: [{ ImageId: C, State: "ERROR", Error: "DiskFull" }],
        PendingImages: [],
      },
    ],
    [
      batch([A, B, C, "wsi-3d4e5f6a7"], response(pending, completed, failed, record("wsi-3d4e5f6a7", "NOT_FOUND"))),
      {
        ...counts(4, 4, 1, 2, 1),
        FailedImages: [
          { ImageId: C, State: "ERROR", Error: "DiskFull" },
          { ImageId: "wsi-3d4e5f6a7", State: "NOT_FOUND" },
        ],
        PendingImages: [{ ImageId: A, State: "VALIDATING" }],
      },
    ],
    // The function returns an image that was listed twice once.
    [
      batch([A, A, B], response(pending, completed)),
      { ...counts(3, 2, 1, 0, 1), FailedImages: [], PendingImages: [{ ImageId: A, State: "VALIDATING" }] },
    ],
    [
      batch([A], response(record(A, "ERROR", { ErrorDetails: [DISK_FULL, {}, { ErrorCode: "Other" }] }))),
      {
        ...counts(1, 1, 0, 1, 0),
        FailedImages: [{ ImageId: A, State: "ERROR", Error: "DiskFull, Other" }],
        PendingImages: [],
      },
    ],
    // A long error code is cut.
    [
      batch([A], response(record(A, "ERROR", { ErrorDetails: [{ ErrorCode: "x".repeat(60) }] }))),
      {
        ...counts(1, 1, 0, 1, 0),
        FailedImages: [{ ImageId: A, State: "ERROR", Error: "x".repeat(50) }],
        PendingImages: [],
      },
    ],
    // A pending import of which no state is known yet.
    [
      batch([A], response({ ImageId: A, Outcome: "PENDING" })),
      { ...counts(1, 1, 0, 0, 1), FailedImages: [], PendingImages: [{ ImageId: A }] },
    ],
    // The lists have at most 5 images each.
    [
      batch(
        batchOf(12, (id) => id),
        response(...batchOf(6, (id) => record(id, "ERROR")), ...batchOf(6, (id) => record(id, "PENDING"))),
      ),
      {
        ...counts(12, 12, 0, 6, 6),
        FailedImages: batchOf(5, (ImageId) => ({ ImageId, State: "ERROR" })),
        PendingImages: batchOf(5, (ImageId) => ({ ImageId, State: "PENDING" })),
      },
    ],
    // An item that is not in a batch.
    [
      { input: A, result: { Output: response(pending) } },
      { ...counts(1, 1, 0, 0, 1), FailedImages: [], PendingImages: [{ ImageId: A, State: "VALIDATING" }] },
    ],
  ],
  "Catch[0].Output": [
    [
      { input: { Items: [A, B] }, errorOutput: { Error: "States.TaskFailed", Cause: DENIED_CHILD } },
      {
        Items: 2,
        Images: 2,
        Untracked: 2,
        Error: "WorkSpaces.AccessDeniedException",
        Execution: EXECUTION,
        Cause: DENIED_CHILD,
      },
    ],
    [
      { input: { Items: [A] }, errorOutput: { Error: "States.TaskFailed", Cause: STOPPED_CHILD } },
      { Items: 1, Images: 1, Untracked: 1, Error: "States.TaskFailed", Execution: EXECUTION, Cause: STOPPED_CHILD },
    ],
    [
      { input: A, errorOutput: { Error: "StepFunctions.ExecutionLimitExceeded", Cause: "x".repeat(400) } },
      {
        Items: 1,
        Images: 1,
        Untracked: 1,
        Error: "StepFunctions.ExecutionLimitExceeded",
        Cause: "x".repeat(300),
      },
    ],
    [
      { input: { Items: [A] }, errorOutput: { Error: "States.Timeout" } },
      { Items: 1, Images: 1, Untracked: 1, Error: "States.Timeout" },
    ],
  ],
};

// ── Summary ────────────────────────────────────────────────────────────────────────────────────────────────────────

const tracked = (Items, Completed, Failed = 0, Pending = 0, Images = Items) => ({
  ...counts(Items, Images, Completed, Failed, Pending),
  FailedImages: batchOf(Math.min(Failed, 5), (ImageId) => ({ ImageId, State: "ERROR" })),
  PendingImages: batchOf(Math.min(Pending, 5), (ImageId) => ({ ImageId, State: "PENDING" })),
});
const untracked = (Items) => ({
  Items,
  Images: Items,
  Untracked: Items,
  Error: "WorkSpaces.AccessDeniedException",
  Execution: EXECUTION,
  Cause: "No.",
});
const summary = (Listed, ...results) => ({ input: results, variables: { Listed } });
const sums = (Status, Batches, Images, Completed, Failed, Pending, Untracked, lists = {}) => ({
  ...{ Status, Batches, Images, Completed, Failed, Pending, Untracked },
  ...{ FailedImages: [], PendingImages: [], Errors: [], ...lists },
});
const ERROR_OF_UNTRACKED = { Error: "WorkSpaces.AccessDeniedException", Execution: EXECUTION, Cause: "No." };
const failedImages = (count) => batchOf(count, (ImageId) => ({ ImageId, State: "ERROR" }));
const pendingImages = (count) => batchOf(count, (ImageId) => ({ ImageId, State: "PENDING" }));

const SUMMARY = [
  // 0, 1, and many batches.
  [summary(0), sums("COMPLETED", 0, 0, 0, 0, 0, 0)],
  [summary(null), sums("COMPLETED", 0, 0, 0, 0, 0, 0)],
  [summary(1, tracked(1, 1)), sums("COMPLETED", 1, 1, 1, 0, 0, 0)],
  [summary(null, tracked(1, 1)), sums("COMPLETED", 1, 1, 1, 0, 0, 0)],
  [summary(150, tracked(100, 100), tracked(50, 50)), sums("COMPLETED", 2, 150, 150, 0, 0, 0)],
  [
    summary(3, tracked(1, 0, 1), tracked(2, 1, 1)),
    sums("FAILED", 2, 3, 1, 2, 0, 0, { FailedImages: [...failedImages(1), ...failedImages(1)] }),
  ],
  [summary(1, tracked(1, 0, 1)), sums("FAILED", 1, 1, 0, 1, 0, 0, { FailedImages: failedImages(1) })],
  // One image that hangs leaves the others settled.
  [summary(100, tracked(100, 99, 0, 1)), sums("PENDING", 1, 100, 99, 0, 1, 0, { PendingImages: pendingImages(1) })],
  [
    summary(3, tracked(3, 1, 1, 1)),
    sums("FAILED", 1, 3, 1, 1, 1, 0, { FailedImages: failedImages(1), PendingImages: pendingImages(1) }),
  ],
  // An image that is listed twice is not missing.
  [summary(3, tracked(3, 2, 0, 0, 2)), sums("COMPLETED", 1, 2, 2, 0, 0, 0)],
  // Batches that could not be tracked.
  [summary(2, untracked(2)), sums("FAILED", 1, 2, 0, 0, 0, 2, { Errors: [ERROR_OF_UNTRACKED] })],
  [
    summary(null, tracked(100, 100), untracked(2), untracked(3)),
    sums("FAILED", 3, 105, 100, 0, 0, 5, { Errors: [ERROR_OF_UNTRACKED, ERROR_OF_UNTRACKED] }),
  ],
  // Results without Images: errors, stopped children, and others.
  [
    summary(100, { Error: "x" }),
    sums("FAILED", 1, 100, 0, 0, 0, 100, { Errors: [{ Error: "x", Cause: "" }] }),
  ],
  [summary(null, { Error: "x" }), sums("FAILED", 1, 0, 0, 0, 0, 0, { Errors: [{ Error: "x", Cause: "" }] })],
  [
    summary(150, tracked(100, 100), { Error: "States.DataLimitExceeded", Cause: "c".repeat(400) }),
    sums("FAILED", 2, 150, 100, 0, 0, 50, {
      Errors: [{ Error: "States.DataLimitExceeded", Cause: "c".repeat(300) }],
    }),
  ],
  ...[null, {}, "text", 5].map((nothing) => [
    summary(3, tracked(1, 1), nothing),
    sums("FAILED", 2, 3, 1, 0, 0, 2, { Errors: [{ Error: "NoResult", Cause: "" }] }),
  ]),
  [summary(2, null), sums("FAILED", 1, 2, 0, 0, 0, 2, { Errors: [{ Error: "NoResult", Cause: "" }] })],
  [
    summary(9, null, { Error: "x", Cause: "y" }, untracked(2)),
    sums("FAILED", 3, 9, 0, 0, 0, 9, {
      Errors: [{ Error: "NoResult", Cause: "" }, { Error: "x", Cause: "y" }, ERROR_OF_UNTRACKED],
    }),
  ],
  // A list whose last batch never ran.
  [summary(150, tracked(100, 100)), sums("FAILED", 1, 150, 100, 0, 0, 50)],
];

// ── The table ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const TABLE = {
  "track-imports": {
    "Read input": { "Choices[0].Condition": INVALID_WAIT },
    Prepare: {
      "Assign.WaitSeconds": [
        [input({}), 300],
        [input({ WaitSeconds: null }), 300],
        [input({ WaitSeconds: 300 }), 300],
        [input({ WaitSeconds: "600" }), 600],
        [input({ WaitSeconds: 45.2 }), 46],
        ...[30, 29, 1, 0, -5, "-5"].map((low) => [input({ WaitSeconds: low }), 30]),
        ...[3600, 3601, 1e300, "999999999"].map((high) => [input({ WaitSeconds: high }), 3600]),
      ],
      "Assign.AcceptFailed": [
        [input({}), false],
        [input({ AcceptFailed: true }), true],
        ...[false, null, "true", 1, [], [true]].map((other) => [input({ AcceptFailed: other }), false]),
      ],
    },
    Check: {
      "Arguments.Payload": SAME,
      Output: PAYLOAD,
      "Assign.Pause": [[{ variables: { WaitSeconds: 300 } }, 300]],
      "Assign.EventCount": EVENT_COUNT,
      "Catch[0].Output": SAME,
      "Catch[0].Assign.Failures": [
        [{ variables: { Failures: 0 } }, 1],
        [{ variables: { Failures: 7 } }, 8],
      ],
      "Catch[0].Assign.LastError.Error": [[cause("text"), "Deadline"]],
      "Catch[0].Assign.LastError.Cause": [
        [cause("text"), "text"],
        [cause(""), ""],
        [cause(undefined), ""],
        [cause("x".repeat(5000)), "x".repeat(1000)],
      ],
      // A quarter is taken off on average.
      "Catch[0].Assign.Pause": [
        ...[22, 45, 90, 180, 360, 675, 675].map((pause, failures) => [paused(failures, 30), pause]),
        ...[225, 450, 675, 675].map((pause, failures) => [paused(failures, 300), pause]),
        ...[2700, 2700, 2700].map((pause, failures) => [paused(failures, 3600), pause]),
        [paused(100_000, 30), 675],
      ],
      "Catch[0].Assign.EventCount": EVENT_COUNT,
    },
    Settled: {
      "Choices[0].Condition": [
        [after(0, response(completed)), true],
        [after(0, response()), true],
        [after(0, response(completed, failed)), false],
        [after(0, response(completed, failed), true), true],
        [after(0, response(failed, pending), true), false],
        [after(0, {}), false],
        // The check failed, so the input is that of the check, and its status is old.
        [after(1, response(completed)), false],
        [after(1, response(failed), true), false],
      ],
      "Choices[1].Condition": [
        [after(0, response(failed)), true],
        [after(0, response(failed, pending)), false],
        [after(0, response(completed)), false],
        [after(0, {}), false],
        [after(1, response(failed)), false],
      ],
      "Choices[2].Condition": [
        [lastError("Lambda.AWSLambdaException", DENIED), true],
        [lastError("Lambda.AWSLambdaException", "Forbidden (Service: Lambda, Status Code: 403, Request ID: 1)"), true],
        [lastError("Lambda.AWSLambdaException", "AccessDeniedException"), true],
        [lastError("Lambda.AWSLambdaException", "User: a is not authorized to perform: lambda:InvokeFunction"), true],
        [lastError("Lambda.AWSLambdaException", "Internal error (Service: Lambda, Status Code: 500)"), false],
        [lastError("Lambda.AWSLambdaException", ""), false],
        [lastError("Deadline", DENIED), false],
        [lastError("Lambda.AWSLambdaException", DENIED, 0), false],
        [{ variables: { Failures: 0, LastError: {} } }, false],
      ],
      "Choices[3].Condition": [
        [at("2026-01-01T00:00:00.500Z", 300), false],
        [at("2026-01-03T23:54:59.999Z", 300), false],
        [at("2026-01-03T23:55:00Z", 300), false],
        [at("2026-01-03T23:55:00.001Z", 300), true],
        [at("2026-01-04T00:00:01Z", 30), true],
        [at("2026-01-04T00:00:01Z", 30, { RedriveCount: 1, RedriveTime: "2026-01-03T12:00:00.123Z" }), false],
        [at("2026-01-06T12:00:00Z", 30, { RedriveCount: 1, RedriveTime: "2026-01-03T12:00:00.123Z" }), true],
      ],
      "Choices[4].Condition": [
        [events(5), false],
        [events(24_000), false],
        [events(24_001), true],
        [events(23_986, { RedriveCount: 0 }), false],
        [events(23_986, { RedriveCount: 1 }), false],
        [events(23_987, { RedriveCount: 1 }), true],
      ],
    },
    Wait: { Seconds: [[{ variables: { Pause: 300 } }, 300]] },
    "Check again": {
      "Arguments.Payload": SAME,
      Output: PAYLOAD,
      "Assign.Pause": [[{ variables: { WaitSeconds: 300 } }, 300]],
      "Assign.EventCount": EVENT_COUNT,
    },
    "Out of time": {
      "Choices[0].Condition": [
        [after(0, response(pending), true), true],
        [after(5, response(pending), true), true],
        [after(0, response(pending), false), false],
        // There was no response yet.
        [after(5, { Imports: [{ ImageId: A }] }, true), false],
      ],
    },
    Failed: {
      Cause: [
        [input(response(failed)), `1 of 1 imports failed: ${C} ERROR (DiskFull: No space is left.)`],
        [input(response(completed, record(A, "NOT_FOUND"))), `1 of 2 imports failed: ${A} NOT_FOUND`],
        [
          input(response(record(A, "NOT_FOUND"), completed, failed)),
          `2 of 3 imports failed: ${A} NOT_FOUND; ${C} ERROR (DiskFull: No space is left.)`,
        ],
        [
          input(response(record(A, "ERROR", { StateMessage: "It broke.", ErrorDetails: [] }))),
          `1 of 1 imports failed: ${A} ERROR (It broke.)`,
        ],
        // A NOT_FOUND record can still have the message of an earlier state.
        [
          input(response(record(A, "NOT_FOUND", { StateMessage: "Validating" }))),
          `1 of 1 imports failed: ${A} NOT_FOUND`,
        ],
        [
          input(response(record(A, "ERROR", { ErrorDetails: [{ ErrorCode: "DiskFull" }, { ErrorCode: "Other" }] }))),
          `1 of 1 imports failed: ${A} ERROR (DiskFull), also Other`,
        ],
        [
          input(response(record(A, "ERROR", { ErrorDetails: [DISK_FULL, {}, { ErrorCode: "Other" }, { ErrorCode: "Third" }] }))),
          `1 of 1 imports failed: ${A} ERROR (DiskFull: No space is left.), also Other, Third`,
        ],
        [
          input(response(record(A, "ERROR", { ErrorDetails: [{ ErrorMessage: "It broke." }] }))),
          `1 of 1 imports failed: ${A} ERROR (It broke.)`,
        ],
        [
          input(response(...batchOf(480, (id) => record(id, "ERROR", { StateMessage: "x".repeat(200) })))),
          `480 of 480 imports failed: ${batchOf(480, (id) => `${id} ERROR (${"x".repeat(200)})`).join("; ")}`.slice(
            0,
            32_000,
          ),
        ],
      ],
    },
    "Not settled": {
      Cause: [
        [
          unsettled(response(pending)),
          `1 of 1 imports had not settled after 3 days: ${A} VALIDATING. ${CONTINUE}`,
        ],
        [
          unsettled(response(completed, pending, failed, record("wsi-3d4e5f6a7", "PENDING"))),
          `2 of 4 imports had not settled after 3 days: ${A} VALIDATING; wsi-3d4e5f6a7 PENDING. ${CONTINUE}`,
        ],
        [
          unsettled(response(pending), { Limit: "when the history of the execution was full" }),
          `1 of 1 imports had not settled when the history of the execution was full: ${A} VALIDATING. ${CONTINUE}`,
        ],
        // No check succeeded, so the input has no outcomes.
        [
          unsettled(
            { Imports: [{ ImageId: A }, { ImageId: B, State: "PENDING" }] },
            { Failures: 9, LastError: { Error: "WorkSpaces.ThrottlingException", Cause: "Rate exceeded" } },
          ),
          `2 of 2 imports had not settled after 3 days: ${A}; ${B} PENDING. ` +
            "Checks that failed since the last response: 9. " +
            `The last error is WorkSpaces.ThrottlingException (Rate exceeded). ${CONTINUE}`,
        ],
        [
          unsettled({}, { Failures: 1, LastError: { Error: "Lambda.Unknown", Cause: "" } }),
          "0 of 0 imports had not settled after 3 days. Checks that failed since the last response: 1. " +
            `The last error is Lambda.Unknown (). ${CONTINUE}`,
        ],
        [
          unsettled(response(...batchOf(480, (id) => record(id, "S".repeat(100))))),
          `480 of 480 imports had not settled after 3 days: ${batchOf(480, (id) => `${id} ${"S".repeat(100)}`).join(
            "; ",
          )}`.slice(0, 32_000),
        ],
      ],
    },
  },

  "track-many": {
    "Find list": {
      "Choices[0].Condition": INVALID_WAIT,
      "Choices[1].Condition": [
        [input({ Imports: [A] }), true],
        [input({ Imports: [A, B] }), true],
        [input({ Imports: [] }), true],
        ...[{}, { Imports: A }, { Imports: null }, { Imports: { ImageId: A } }, { Bucket: "b", Key: "k" }].map(
          (other) => [input(other), false],
        ),
      ],
      "Choices[1].Assign.WaitSeconds": FORWARDED_WAIT,
      "Choices[1].Assign.Listed": [
        [input({ Imports: [] }), 0],
        [input({ Imports: [A] }), 1],
        [input({ Imports: [A, { ImageId: B }, [C]] }), 3],
      ],
      "Choices[1].Output": [
        [input({ Imports: [] }), []],
        [input({ Imports: [A] }), [A]],
        [input({ Imports: [{ ImageId: A }] }), [{ ImageId: A }]],
        [input({ Imports: [A, { ImageId: B }] }), [A, { ImageId: B }]],
      ],
      "Choices[2].Condition": [
        [input({ Bucket: "b", Key: "k" }), true],
        ...[{}, { Bucket: "b" }, { Key: "k" }].map((other) => [input(other), false]),
      ],
      "Choices[2].Assign.WaitSeconds": FORWARDED_WAIT,
    },
    List: {
      Items: [
        [input([]), []],
        [input([A]), [A]],
        [input([{ ImageId: A }]), [{ ImageId: A }]],
        [input([A, { ImageId: B }]), [A, { ImageId: B }]],
      ],
      "ItemBatcher.BatchInput.WaitSeconds": [
        [{ variables: { WaitSeconds: 60 } }, 60],
        [{ variables: { WaitSeconds: null } }, null],
      ],
      MaxConcurrency: [[{}, 4]],
    },
    Object: {
      "ItemReader.Arguments.Bucket": [[input({ Bucket: "b", Key: "k" }), "b"]],
      "ItemReader.Arguments.Key": [[input({ Bucket: "b", Key: "k" }), "k"]],
      "ItemBatcher.BatchInput.WaitSeconds": [
        [{ variables: { WaitSeconds: 60 } }, 60],
        [{ variables: { WaitSeconds: null } }, null],
      ],
      MaxConcurrency: [[{}, 4]],
    },
    "Track batch from list": trackBatch,
    "Track batch from object": trackBatch,
    Summary: { Output: SUMMARY },
  },

  "import-to-bundle": {
    "Read input": { "Choices[0].Condition": INVALID_WAIT },
    Prepare: {
      "Assign.Import": [
        [input({ Import: { ImageName: "a" } }), { ...IMPORT_DEFAULTS, ImageName: "a" }],
        [input({ Import: { ImageName: "a", Protocol: "PCOIP", ComputeType: null } }), { ...IMPORT_DEFAULTS, ImageName: "a", Protocol: "PCOIP" }],
        [input({}), IMPORT_DEFAULTS],
      ],
      "Assign.Bundle": [
        [input({ Import: { ImageName: "a" }, Bundle: {} }), { ...BUNDLE_DEFAULTS, BundleName: "a" }],
        [input({ Import: { ImageName: "a" }, Bundle: { BundleName: "b", Tags: null } }), { ...BUNDLE_DEFAULTS, BundleName: "b" }],
        [input({}), BUNDLE_DEFAULTS],
      ],
      "Assign.WaitSeconds": FORWARDED_WAIT,
      "Assign.Missing": [
        [input(PIPELINE), []],
        [input({ ...PIPELINE, Bundle: { ...PIPELINE.Bundle, UserStorage: null } }), ["Bundle.UserStorage"]],
        [input({ Import: PIPELINE.Import }), ["Bundle.ComputeType", "Bundle.UserStorage"]],
        [input({}), PIPELINE_REQUIRED],
      ],
    },
    "Input complete": {
      "Choices[0].Condition": [
        [{ variables: { Missing: [] } }, true],
        [{ variables: { Missing: ["Bundle.UserStorage"] } }, false],
        [{ variables: { Missing: PIPELINE_REQUIRED } }, false],
      ],
    },
    "Import image": {
      Arguments: [[{ variables: { Import: PIPELINE.Import } }, PIPELINE.Import]],
      "Assign.ImageId": [[{ result: { ImageId: A, State: "PENDING" } }, A]],
      Output: [
        [{ result: { ImageId: A, State: "PENDING" } }, { ImageId: A, State: "PENDING" }],
        [{ result: { ImageId: A } }, { ImageId: A }],
      ],
    },
    "Track import": {
      "Arguments.Input.AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": [[{ context: { Execution: { Id: "arn" } } }, "arn"]],
      "Arguments.Input.Imports": [[input({ ImageId: A, State: "PENDING" }), [{ ImageId: A, State: "PENDING" }]]],
      "Arguments.Input.WaitSeconds": [[{ variables: { WaitSeconds: 60 } }, 60], [{ variables: { WaitSeconds: null } }, null]],
      Output: [[{ result: { Output: response(completed) } }, response(completed)]],
    },
    "Import completed": {
      "Choices[0].Condition": [
        [input(response(completed)), true],
        [input(response(failed)), false],
        [input(response(pending)), false],
      ],
      "Choices[1].Condition": [
        [input(response(pending)), true],
        [input(response(failed)), false],
      ],
    },
    "Create bundle": {
      Arguments: [
        [{ variables: { Bundle: PIPELINE.Bundle, ImageId: A } }, { ...PIPELINE.Bundle, ImageId: A }],
        [{ variables: { Bundle: { ImageId: B }, ImageId: A } }, { ImageId: A }],
      ],
      Output: [
        [
          { variables: { ImageId: A }, result: { WorkspaceBundle: { BundleId: "wsb-1" } } },
          { ImageId: A, BundleId: "wsb-1", Bundle: { BundleId: "wsb-1" } },
        ],
        [{ variables: { ImageId: A }, result: {} }, { ImageId: A }],
      ],
    },
    "Import failed": {
      Cause: [
        [
          { variables: { ImageId: C }, input: response(failed) },
          `No bundle was created. ${C} ERROR (DiskFull: No space is left.)`,
        ],
        [{ variables: { ImageId: C }, input: response(record(C, "ERROR")) }, `No bundle was created. ${C} ERROR`],
        [{ variables: { ImageId: C }, input: response(record(C, "NOT_FOUND")) }, `No bundle was created. ${C} NOT_FOUND`],
        [
          { variables: { ImageId: C }, input: response(record(C, "ERROR", { StateMessage: "It failed." })) },
          `No bundle was created. ${C} ERROR (It failed.)`,
        ],
      ],
    },
    "Not settled": {
      Cause: [
        [
          { variables: { ImageId: A }, input: response(pending) },
          `No bundle was created. ${A} had not settled after 3 days. Its last state was VALIDATING. When it has completed, create the bundle from the image.`,
        ],
        [
          { variables: { ImageId: A }, input: response({ ImageId: A, Outcome: "PENDING" }) },
          `No bundle was created. ${A} had not settled after 3 days. When it has completed, create the bundle from the image.`,
        ],
      ],
    },
    "Incomplete input": {
      Cause: [
        [{ variables: { Missing: ["Bundle.UserStorage"] } }, "The input lacks Bundle.UserStorage."],
        [{ variables: { Missing: ["Import.ImageName", "Bundle.UserStorage"] } }, "The input lacks Import.ImageName, Bundle.UserStorage."],
      ],
    },
  },

  "docs/integrations.md": {
    Check: { "Arguments.Payload": SAME, Output: PAYLOAD, "Catch[0].Output": SAME },
    AllSettled: {
      "Choices[0].Condition": [
        [input(response(completed)), true],
        [input(response()), true],
        [input(response(completed, failed)), false],
        [input(response(pending)), false],
      ],
      "Choices[1].Condition": [
        [input(response(completed, failed)), true],
        [input(response(failed, pending)), false],
        [input(response(completed)), false],
      ],
    },
  },
};
