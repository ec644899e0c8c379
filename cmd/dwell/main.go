// Command dwell hunts for compromised machines in Zeek data: see the README and `dwell help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker (-X main.version=…).
var version = "dev"

func main() { os.Exit(run()) }

// run turns the first interrupt into a cancelled context; the second kills, because the handler is gone by then.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()
	return execute(ctx, systemIO(), os.Args[1:])
}
