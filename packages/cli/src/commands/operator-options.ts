import type { Command } from "commander";

/** Options that every command of an operator has. */
export function operatorOptions(command: Command): Command {
  return command
    .option("--controller <url>", "the controller to ask (default: that of `reprise dev` here, else http://127.0.0.1:7070)")
    .option("--json", "one line of JSON on standard output, last");
}

/** Of commands that read or write checkpoints. @param place where they are when nothing says it; undefined: nowhere */
export function checkpointsOption(command: Command, place: string | undefined): Command {
  const help = "checkpoint store: a folder, or s3://bucket/prefix[?endpoint=…&region=…&path-style=true]";
  return command.option("--checkpoints <place>", help, process.env.REPRISE_CHECKPOINTS ?? place);
}

/** Of commands that build: where artifacts are. */
export function artifactsOption(command: Command): Command {
  return command.option("--artifacts <folder>", "where artifacts are kept", process.env.REPRISE_ARTIFACTS ?? ".reprise/dev/artifacts");
}
