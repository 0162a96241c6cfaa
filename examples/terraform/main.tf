# The core stack of workspaces-image-import in Terraform: the function, its schedule with discovery, the ledger, the
# topics, the workflow TrackImports, and the alarms.
#
#   terraform init
#   terraform apply -var kit=workspaces-image-import-X.Y.Z-arm64-kit -var email=you@example.com

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

variable "kit" {
  description = "The folder of an unpacked deploy kit. Its function.zip is the zip file of the release."
  type        = string
}

variable "architecture" {
  description = "The architecture of the kit."
  type        = string
  default     = "arm64"
}

variable "email" {
  description = "Receives the announcements and the alarms. Amazon SNS first sends an email to confirm each subscription."
  type        = string
}

variable "name" {
  description = "The name of all resources, or what it begins with."
  type        = string
  default     = "workspaces-image-import"
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# ── Topics ──────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "aws_sns_topic" "announcements" {
  name = var.name
}

resource "aws_sns_topic_subscription" "announcements" {
  topic_arn = aws_sns_topic.announcements.arn
  protocol  = "email"
  endpoint  = var.email
  # The first announcement of an import, its end, stalls, and self-tests.
  filter_policy = jsonencode({
    "$or" = [
      { From = [{ exists = false }] },
      { Outcome = ["COMPLETED", "FAILED"] },
      { Kind = ["STALLED", "TEST"] },
    ]
  })
}

# The filter of the other subscription would drop alarms.
resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

# ── Ledger ──────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "aws_dynamodb_table" "ledger" {
  name                        = "${var.name}-Ledger"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "ImageId"
  deletion_protection_enabled = true

  attribute {
    name = "ImageId"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  # With an empty ledger, the function would announce every import again.
  lifecycle {
    prevent_destroy = true
  }
}

# ── Function ────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 30
}

resource "aws_iam_role" "function" {
  name = "${var.name}-function"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "function" {
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Neither action supports resources.
        Effect   = "Allow"
        Action   = ["workspaces:DescribeCustomWorkspaceImageImport", "workspaces:DescribeWorkspaceImages"]
        Resource = "*"
      },
      { Effect = "Allow", Action = "sns:Publish", Resource = aws_sns_topic.announcements.arn },
      {
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Scan"]
        Resource = aws_dynamodb_table.ledger.arn
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.function.arn}:*"
      },
    ]
  })
}

resource "aws_lambda_function" "function" {
  function_name    = var.name
  description      = "Checks WorkSpaces image imports and announces their state transitions"
  filename         = "${var.kit}/function.zip"
  source_code_hash = filebase64sha256("${var.kit}/function.zip")
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  memory_size      = 128
  timeout          = 60
  role             = aws_iam_role.function.arn

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  environment {
    variables = {
      TOPIC_ARN    = aws_sns_topic.announcements.arn
      LEDGER_TABLE = aws_dynamodb_table.ledger.name
      # The SDK slows down while a service throttles.
      AWS_RETRY_MODE       = "adaptive"
      AWS_NEW_RETRIES_2026 = "true"
    }
  }
}

# ── Schedule ────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "aws_iam_role" "schedule" {
  name = "${var.name}-schedule"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  role = aws_iam_role.schedule.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = aws_lambda_function.function.arn }]
  })
}

resource "aws_scheduler_schedule" "schedule" {
  name                = var.name
  description         = "Checks WorkSpaces image imports"
  schedule_expression = "rate(5 minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.function.arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({ Discover = true })

    # The next run repeats a check that failed.
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }
}

# Applies to asynchronous invocations, such as those of the schedule.
resource "aws_lambda_function_event_invoke_config" "function" {
  function_name                = aws_lambda_function.function.function_name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

# ── Workflow ────────────────────────────────────────────────────────────────────────────────────────────────────────

resource "aws_iam_role" "track_imports" {
  name = "${var.name}-track-imports"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "states.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "track_imports" {
  role = aws_iam_role.track_imports.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = aws_lambda_function.function.arn }]
  })
}

resource "aws_sfn_state_machine" "track_imports" {
  name     = "${var.name}-track-imports"
  role_arn = aws_iam_role.track_imports.arn
  definition = templatefile("${var.kit}/statemachine/track-imports.asl.json", {
    Partition   = data.aws_partition.current.partition
    FunctionArn = aws_lambda_function.function.arn
  })
}

# ── Alarms ──────────────────────────────────────────────────────────────────────────────────────────────────────────

locals {
  of_function = { FunctionName = aws_lambda_function.function.function_name }
  alarms = {
    function-errors = {
      description = "Invocations keep failing. Search the log group of the function for level ERROR."
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = local.of_function
      # Two hours, because two checks can be an hour apart.
      period = 300, periods = 24, datapoints = 2
    }
    check-errors = {
      description = "Single imports keep failing. Search the log group of the function for level WARN."
      namespace   = "WorkSpacesImageImport", metric = "CheckErrors", dimensions = local.of_function
      period      = 300, periods = 24, datapoints = 2
    }
    track-imports-failed = {
      description = "An execution of TrackImports failed. Its error and cause name the reason and the images."
      namespace   = "AWS/States", metric = "ExecutionsFailed"
      dimensions  = { StateMachineArn = aws_sfn_state_machine.track_imports.arn }
      period      = 300, periods = 1, datapoints = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  # A quiet period does not mean that somebody dealt with a failed execution.
  ok_actions = each.key == "track-imports-failed" ? [] : [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "schedule" {
  alarm_name          = "${var.name}-schedule"
  alarm_description   = "Nothing has invoked the function for two hours, so nothing finds new imports."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = local.of_function
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  # Without invocations, there is no data.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

output "function_name" {
  value = aws_lambda_function.function.function_name
}

output "topic_arn" {
  value = aws_sns_topic.announcements.arn
}

output "track_imports_arn" {
  value = aws_sfn_state_machine.track_imports.arn
}
