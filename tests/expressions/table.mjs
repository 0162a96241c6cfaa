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
const NAME = "windows-11-2026-01";

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
const TEXT = "x".repeat(60);
const FIVE_ERRORS = Array.from({ length: 5 }, () => ({ ErrorCode: "E", ErrorMessage: TEXT }));
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
const NOT_OBJECTS = [null, "", "text", 5, true, [], [PIPELINE.Import], [PIPELINE.Import, PIPELINE.Import]];
const IMPORT_DEFAULTS = {
  ImageDescription: "Imported by workspaces-image-import",
  ComputeType: "BASE",
  Protocol: "DCV",
  Platform: "WINDOWS",
};
const BUNDLE_DEFAULTS = { BundleDescription: "Created by workspaces-image-import" };

const RATE_EXCEEDED = {
  Error: "WorkSpaces.WorkSpacesException",
  Cause: "Rate exceeded (Service: WorkSpaces, Status Code: 400, Request ID: 1)",
};
const refused = (Refused, Refusals = 1) => ({ variables: { Refused, Refusals } });

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
// ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

const settled = (value, AcceptFailed = false) => ({ input: value, variables: { AcceptFailed } });
/** The execution started at midnight on the first day. */
const at = (EnteredTime, WaitSeconds) => ({
  variables: { WaitSeconds },
  context: { State: { EnteredTime }, Execution: { StartTime: "2026-01-01T00:00:00Z" } },
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
const BLANKS = DENIED_CHILD.replaceAll('":', '": ') + " ".repeat(30_000);
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
    // Blanks after the colons, and the largest cause that Step Functions passes on.
    [
      { input: { Items: [A] }, errorOutput: { Error: "States.TaskFailed", Cause: BLANKS } },
      {
        Items: 1,
        Images: 1,
        Untracked: 1,
        Error: "WorkSpaces.AccessDeniedException",
        Execution: EXECUTION,
        Cause: BLANKS.slice(0, 300),
      },
    ],
    [
      { input: { Items: [A] }, errorOutput: { Error: "States.TaskFailed", Cause: '"Error":"'.repeat(4_000) } },
      {
        Items: 1,
        Images: 1,
        Untracked: 1,
        Error: "",
        Cause: '"Error":"'.repeat(4_000).slice(0, 300),
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
  // The largest result that Step Functions passes on: 260 batches.
  [
    summary(26_000, ...Array.from({ length: 260 }, () => tracked(100, 90, 5, 5))),
    sums("FAILED", 260, 26_000, 23_400, 1_300, 1_300, 0, {
      FailedImages: Array.from({ length: 260 }, () => failedImages(5)).flat(),
      PendingImages: Array.from({ length: 260 }, () => pendingImages(5)).flat(),
    }),
  ],
  // A list whose last batch never ran.
  [summary(150, tracked(100, 100)), sums("FAILED", 1, 150, 100, 0, 0, 50)],
];

// ── The table ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const TABLE = {
  "track-imports": {
    "Read input": {
      "Choices[0].Condition": INVALID_WAIT,
      "Assign.WaitSeconds": [
        [input({}), 300],
        [input({ WaitSeconds: null }), 300],
        [input({ WaitSeconds: 300 }), 300],
        [input({ WaitSeconds: "600" }), 600],
        [input({ WaitSeconds: 145.2 }), 146],
        ...[120, 119, 30, 1, 0, -5, "-5"].map((low) => [input({ WaitSeconds: low }), 120]),
        ...[3600, 3601, 1e300, "999999999"].map((high) => [input({ WaitSeconds: high }), 3600]),
      ],
      "Assign.AcceptFailed": [
        [input({}), false],
        [input({ AcceptFailed: true }), true],
        ...[false, null, "true", 1, [], [true]].map((other) => [input({ AcceptFailed: other }), false]),
      ],
    },
    Check: { "Arguments.Payload": SAME, Output: PAYLOAD },
    Settled: {
      "Choices[0].Condition": [
        [settled(response(completed)), true],
        [settled(response()), true],
        [settled(response(completed, failed)), false],
        [settled(response(completed, failed), true), true],
        [settled(response(failed, pending), true), false],
        [settled({}), false],
      ],
      "Choices[1].Condition": [
        [settled(response(failed)), true],
        [settled(response(failed, pending)), false],
        [settled(response(completed)), false],
        [settled({}), false],
      ],
      "Choices[2].Condition": [
        [at("2026-01-01T00:00:00.500Z", 300), true],
        [at("2026-01-03T23:55:00Z", 300), true],
        [at("2026-01-03T23:55:00.001Z", 300), false],
        [at("2026-01-04T00:00:01Z", 120), false],
      ],
      "Choices[3].Condition": [
        [settled(response(pending), true), true],
        [settled(response(pending)), false],
      ],
    },
    Wait: { Seconds: [[{ variables: { WaitSeconds: 300 } }, 300]] },
    Failed: {
      Cause: [
        [input(response(failed)), `1 of 1 imports failed: ${C} ERROR (DiskFull: No space is left.)`],
        [input(response(completed, record(A, "NOT_FOUND"))), `1 of 2 imports failed: ${A} NOT_FOUND`],
        [
          input(response({ ...record(A, "NOT_FOUND"), Name: NAME }, failed)),
          `2 of 2 imports failed: ${NAME} (${A}) NOT_FOUND; ${C} ERROR (DiskFull: No space is left.)`,
        ],
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
        // The largest responses: 480 imports, with a text or with five errors each.
        [
          input(response(...batchOf(480, (id) => record(id, "ERROR", { ErrorDetails: FIVE_ERRORS })))),
          `480 of 480 imports failed: ${batchOf(480, (id) => `${id} ERROR (E: ${TEXT}), also E, E, E, E`).join("; ")}`
            .slice(0, 32_000),
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
        [input(response(pending)), `1 of 1 imports had not settled after 3 days: ${A} VALIDATING. ${CONTINUE}`],
        [
          input(response({ ...pending, Name: NAME })),
          `1 of 1 imports had not settled after 3 days: ${NAME} (${A}) VALIDATING. ${CONTINUE}`,
        ],
        [
          input(response(completed, pending, failed, record("wsi-3d4e5f6a7", "PENDING"))),
          `2 of 4 imports had not settled after 3 days: ${A} VALIDATING; wsi-3d4e5f6a7 PENDING. ${CONTINUE}`,
        ],
        // No state is known yet.
        [
          input(response({ ImageId: A, Outcome: "PENDING" })),
          `1 of 1 imports had not settled after 3 days: ${A}. ${CONTINUE}`,
        ],
        [
          input(response(...batchOf(480, (id) => record(id, "S".repeat(100))))),
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
    Images: {
      "Choices[0].Condition": [
        ...[A, { ImageId: A }, { ImageId: A, State: "PENDING" }, null, 5].map((one) => [input({ Items: [one] }), false]),
        ...[{ Key: "Imports", Value: [A] }, { Imports: [A] }].map((one) => [input({ Items: [one] }), true]),
        // An item that is not in a batch.
        [input(A), false],
        [input({ ImageId: A }), false],
        [input({ Imports: [A] }), true],
      ],
      "Choices[0].Output": [[input({}), { NotAList: true }]],
    },
    "A list": {
      "Choices[0].Condition": [
        [input([{ NotAList: true }]), true],
        [input([{ Images: 1 }, { NotAList: true }]), true],
        [input([{ Images: 1 }, { Error: "x" }]), false],
        [input([]), false],
      ],
    },
    Summary: { Output: SUMMARY },
  },

  "import-to-bundle": {
    "Read input": { "Choices[0].Condition": INVALID_WAIT },
    Prepare: {
      "Assign.Import": [
        [input({ Import: { ImageName: "a" } }), { ...IMPORT_DEFAULTS, ImageName: "a" }],
        [input({ Import: { ImageName: "a", Protocol: "PCOIP", ComputeType: null } }), { ...IMPORT_DEFAULTS, ImageName: "a", Protocol: "PCOIP" }],
        [input({}), IMPORT_DEFAULTS],
        ...NOT_OBJECTS.map((other) => [input({ Import: other }), IMPORT_DEFAULTS]),
      ],
      "Assign.Bundle": [
        [input({ Import: { ImageName: "a" }, Bundle: {} }), { ...BUNDLE_DEFAULTS, BundleName: "a" }],
        [input({ Import: { ImageName: "a" }, Bundle: { BundleName: "b", Tags: null } }), { ...BUNDLE_DEFAULTS, BundleName: "b" }],
        [input({}), BUNDLE_DEFAULTS],
        ...NOT_OBJECTS.map((other) => [input({ Import: other, Bundle: other }), BUNDLE_DEFAULTS]),
      ],
      "Assign.WaitSeconds": FORWARDED_WAIT,
      "Assign.Missing": [
        [input(PIPELINE), []],
        [input({ ...PIPELINE, Bundle: { ...PIPELINE.Bundle, UserStorage: null } }), ["Bundle.UserStorage"]],
        [input({ Import: PIPELINE.Import }), ["Bundle.ComputeType", "Bundle.UserStorage"]],
        [input({}), PIPELINE_REQUIRED],
        ...NOT_OBJECTS.map((other) => [input({ Import: other, Bundle: other }), PIPELINE_REQUIRED]),
        [input({ ...PIPELINE, Bundle: null }), ["Bundle.ComputeType", "Bundle.UserStorage"]],
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
        [
          { variables: { Import: PIPELINE.Import }, result: { ImageId: A, State: "PENDING" } },
          { ImageId: A, Name: PIPELINE.Import.ImageName, State: "PENDING" },
        ],
        [{ variables: { Import: {} }, result: { ImageId: A } }, { ImageId: A }],
      ],
      "Catch[0].Assign.Refused.Error": [[{ errorOutput: RATE_EXCEEDED }, RATE_EXCEEDED.Error]],
      "Catch[0].Assign.Refused.Cause": [
        [{ errorOutput: RATE_EXCEEDED }, RATE_EXCEEDED.Cause],
        [{ errorOutput: { Error: "WorkSpaces.WorkSpacesException" } }, ""],
      ],
      "Catch[0].Assign.Refusals": [[{ variables: { Refusals: 0 } }, 1]],
    },
    Throttled: {
      "Choices[0].Condition": [
        [refused(RATE_EXCEEDED), true],
        [refused({ ...RATE_EXCEEDED, Cause: "Request was throttled" }), true],
        [refused({ Error: "WorkSpaces.ThrottlingException", Cause: "" }), true],
        [refused(RATE_EXCEEDED, 60), true],
        [refused(RATE_EXCEEDED, 61), false],
        [refused({ ...RATE_EXCEEDED, Cause: "" }), false],
        [refused({ ...RATE_EXCEEDED, Cause: "Internal error (Service: WorkSpaces, Status Code: 500)" }), false],
      ],
    },
    Wait: { Seconds: [[{}, 60]] },
    "Import refused": {
      Error: [[refused(RATE_EXCEEDED), RATE_EXCEEDED.Error]],
      Cause: [
        [refused(RATE_EXCEEDED), RATE_EXCEEDED.Cause],
        [refused({ Error: "WorkSpaces.WorkSpacesException", Cause: "" }), ""],
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
        [
          { variables: { ImageId: C }, input: response({ ...record(C, "ERROR"), Name: NAME }) },
          `No bundle was created. ${NAME} (${C}) ERROR`,
        ],
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
          { variables: { ImageId: A }, input: response({ ...pending, Name: NAME }) },
          `No bundle was created. ${NAME} (${A}) had not settled after 3 days. Its last state was VALIDATING. When it has completed, create the bundle from the image.`,
        ],
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

  example: {
    Check: { "Arguments.Payload": SAME, Output: PAYLOAD },
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
