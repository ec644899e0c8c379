package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dwell/internal/es"
	"dwell/internal/output"
)

// Exit codes of the contract (docs/design.md, 5.1).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitCondition   = 3
	exitAuth        = 4
	exitIncomplete  = 5
	exitInterrupted = 130
)

// usageError is a mistake in flags, arguments or configuration.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// codeError ends a run that did its work with a code other than 0; its text is a remark, not a failure.
type codeError struct {
	code int
	text string
}

func (e codeError) Error() string { return e.text }

// hinted is an error with a next step.
type hinted struct {
	err  error
	hint string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }

func hint(err error, format string, args ...any) error {
	return hinted{err: err, hint: fmt.Sprintf(format, args...)}
}

// exitCode maps an error to the contract's codes. It is the only place that does.
func exitCode(ctx context.Context, err error) int {
	var usage usageError
	var coded codeError
	var server *es.Error
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &server) && (server.Kind == es.Auth || server.Kind == es.Permission):
		return exitAuth
	}
	return exitFailed
}

// report prints an error for people: what happened, then what to do next.
func report(s *streams, err error, code int) {
	var coded codeError
	switch {
	case code == exitInterrupted:
		fmt.Fprintln(s.Err, output.Wrap("dwell: interrupted; nothing was left half-written", s.ErrWidth, "       "))
		return
	case errors.As(err, &coded):
		fmt.Fprintln(s.Err, output.Wrap("dwell: "+output.Clean(coded.text), s.ErrWidth, "       "))
		return
	}
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	fmt.Fprintln(s.Err, output.Wrap("dwell: error: "+output.Clean(lines[0]), s.ErrWidth, "       "))
	for _, l := range lines[1:] {
		fmt.Fprintln(s.Err, "  "+output.Clean(l))
	}
	var h hinted
	var server *es.Error
	switch {
	case errors.As(err, &h):
		fmt.Fprintln(s.Err, output.Wrap("dwell: hint: "+output.Clean(h.hint), s.ErrWidth, "       "))
	case errors.As(err, &server) && server.Hint != "" && !strings.Contains(err.Error(), server.Hint):
		fmt.Fprintln(s.Err, output.Wrap("dwell: hint: "+output.Clean(server.Hint), s.ErrWidth, "       "))
	}
}
