// Package leak fails a test that leaves goroutines running.
package leak

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines may take to end after the tests, because connections are closed in the background.
const patience = 3 * time.Second

// Main runs a package's tests, then fails if goroutines with dwell's code on their stack are left. Call it in TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := wait(patience); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines are left behind by the tests:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

func wait(patience time.Duration) (left []string) {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if left = ours(); len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// ours are the stacks, except the caller's, that go through a package of this module or hold a network connection.
func ours() (left []string) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	_, others, _ := strings.Cut(string(buf), "\n\n")
	for _, stack := range strings.Split(others, "\n\n") {
		if strings.Contains(stack, "\ndwell/") || strings.Contains(stack, "created by dwell/") || strings.Contains(stack, "net/http.(*persistConn)") {
			left = append(left, stack)
		}
	}
	return left
}
