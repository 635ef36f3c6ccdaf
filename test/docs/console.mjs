// Listings of commands: '$ …' is sent to a shell, and its output must be the
// lines below. A shell runs the commands of a single listing, so that its
// background jobs run until its end.
import { spawn } from "node:child_process";

const PATIENCE_MS = 30000; // sanitizers are slow; nothing waits this long

/** Returns the commands and their output: [{ command, output }]. */
function commandsOf(text) {
  const all = [];
  for (const line of text.trimEnd().split("\n")) {
    const last = all.at(-1);
    if (line.startsWith("$ ")) {
      all.push({ command: line.slice(2), output: [] });
    } else if (last?.command.endsWith("\\") && line.startsWith("> ")) {
      last.command += "\n" + line.slice(2);
    } else if (last) {
      last.output.push(line);
    } else {
      throw new Error("a listing of commands begins with '$ '");
    }
  }
  return all;
}

/** Returns true if @got matches @wanted; a line '...' matches any lines. */
function same(wanted, got) {
  const quoted = wanted.map((line) =>
    line === "..." ? "(?:.*\\n)*?"
                   : line.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&") + "\\n",
  );
  return new RegExp(`^${quoted.join("")}$`).test(got);
}

/** A shell that runs commands in turn. */
class Shell {
  #text = "";
  #notify = () => {};

  constructor(folder, environment) {
    this.child = spawn("sh", [], {
      cwd: folder,
      detached: true,
      env: { ...environment, LC_ALL: "C.UTF-8" },
    });
    this.child.stdin.write("exec 2>&1\n");
    this.child.stdout.on("data", (data) => {
      this.#text += data;
      this.#notify();
    });
  }

  /** Returns the exit status and the output; waits for the wanted output. */
  async say(command, wanted) {
    this.#text = "";
    this.child.stdin.write(`${command}\necho "status $?"\n`);
    const ends = Date.now() + PATIENCE_MS;
    for (;;) {
      const m = /^status (\d+)\n/m.exec(this.#text);
      const text = this.#text.replace(/^status \d+\n/m, "");
      const background = command.endsWith("&");
      if (m && (same(wanted, text) || !background || Date.now() > ends)) {
        return { status: Number(m[1]), text };
      }
      if (Date.now() > ends) return { status: -1, text };
      await new Promise((resolve) => {
        this.#notify = resolve;
        setTimeout(resolve, 1000);
      });
    }
  }

  end() {
    try {
      process.kill(-this.child.pid, "SIGKILL");
    } catch {
      // it has ended already
    }
  }
}

/**
 * Runs the commands of @text in @folder and @environment; the last command
 * ends with the status @exit.
 */
export async function runCommands(text, folder, environment, exit) {
  const commands = commandsOf(text);
  const shell = new Shell(folder, environment);
  try {
    for (const [i, { command, output }] of commands.entries()) {
      const wanted = i === commands.length - 1 ? exit : 0;
      const got = await shell.say(command, output);
      if (got.status !== wanted || !same(output, got.text)) {
        throw new Error(`$ ${command}\nexit ${got.status}, printed:\n${got.text}` +
          `instead of exit ${wanted}:\n${output.join("\n")}`);
      }
    }
  } finally {
    shell.end();
  }
}
