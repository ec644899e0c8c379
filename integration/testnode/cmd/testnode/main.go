// Command testnode starts a real Elasticsearch for one command, or interactively:
//
//	go run ./integration/testnode/cmd/testnode -line 8,9 -- go test ./...
//	go run ./integration/testnode/cmd/testnode
//
// The command gets the address, the CA file, the user and the password in DWELL_TEST_ELASTICSEARCH_*. Without a command
// they are printed, and the server runs until Ctrl-C. For its origin see package testnode.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}
