// Command dwell hunts for command-and-control traffic in Zeek data: see the README and `dwell help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// version is set by the linker (-X main.version=...), otherwise taken from the build information.
var version = unknown

// unknown is the version of a build without version control, such as a test.
const unknown = "dev"

// builtFrom is the module's version from version control: tag, or time and commit, and whether files were changed.
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
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, systemIO(), os.Args[1:]) }()
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
	}
	select {
	case code := <-ended:
		return code
	case <-time.After(grace):
		return exitInterrupted
	}
}

// grace is how long a command may take to end after an interrupt: opening a file can hang, and files are written whole
// or not at all.
const grace = 10 * time.Second
