// Command dwell hunts for compromised machines in Zeek data: see the README and `dwell help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// version is what the program calls itself: what the linker sets (-X main.version=...), else what the build knows of its source.
var version = unknown

// unknown is the version of a build that knows nothing of its source, as tests are.
const unknown = "dev"

// builtFrom gives the module's version, which Go takes from version control: tag, or time and commit, and whether files were changed.
func builtFrom(info *debug.BuildInfo, ok bool) string {
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return unknown
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

func main() { os.Exit(run()) }

// run turns the first interrupt into a cancelled context; the second kills, because the handler is gone by then.
func run() int {
	if version == unknown {
		version = builtFrom(debug.ReadBuildInfo())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()
	return execute(ctx, systemIO(), os.Args[1:])
}
