// Command testnode starts a real Elasticsearch for one command, or for a person:
//
//	go run ./integration/testnode/cmd/testnode -line 8,9 -- go test ./...
//	go run ./integration/testnode/cmd/testnode
//
// The command gets the address, the CA file, the user and the password in DWELL_TEST_ELASTICSEARCH_*; without a command
// they are printed and the server runs until Ctrl-C. Where it comes from: package testnode.
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
