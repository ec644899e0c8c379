package testnode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tailLines is how many lines of a node's log an error shows.
const tailLines = 40

// stopWithin is how long a node may take to stop before it is killed.
const stopWithin = 20 * time.Second

// readyLine is printed by the node when it answers; see TestNode.java.
const readyLine = "dwell-testnode ready "

// process is one run of a node's JVM.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // the node stops when this pipe closes, as it does when the starter is killed
	log   *tail
	ready chan map[string]string // one value: the fields of the ready line
	ended chan struct{}          // closed when the JVM is gone; err is set then
	err   error
}

// startProcess starts the JVM. It does not watch ctx afterwards.
func startProcess(java string, args []string, folder string, log io.Writer) (*process, error) {
	p := &process{
		cmd:   exec.Command(java, args...),
		log:   &tail{next: log},
		ready: make(chan map[string]string, 1),
		ended: make(chan struct{}),
	}
	p.cmd.Dir = folder
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the test node: %w", err)
	}
	p.stdin = stdin
	read, write := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = write, write
	detach(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the test node: %w", err)
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		p.follow(read)
	}()
	go func() {
		p.err = p.cmd.Wait()
		write.Close() // never fails for an in-memory pipe, as documented
		<-logged
		close(p.ended)
	}()
	return p, nil
}

// follow reads the node's output, keeps its end and finds the ready line.
func (p *process) follow(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			p.log.add(line)
		}
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), readyLine); ok {
			fields := map[string]string{}
			for _, field := range strings.Fields(text) {
				name, value, _ := strings.Cut(field, "=")
				fields[name] = value
			}
			select {
			case p.ready <- fields:
			default: // printed twice: the first counts
			}
		}
		if err != nil {
			return
		}
	}
}

// awaitReady waits for the ready line and returns its fields, or an error with the cause.
func (p *process) awaitReady(ctx context.Context) (map[string]string, error) {
	select {
	case fields := <-p.ready:
		return fields, nil
	case <-p.ended:
		return nil, p.explain("the test node ended before it answered")
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", p.explain("the test node did not answer in time"), context.Cause(ctx))
	}
}

// explain makes an error of what happened, the process's exit if it ended, and the end of its log.
func (p *process) explain(what string) error {
	select {
	case <-p.ended:
		if p.err != nil {
			what += " (" + p.err.Error() + ")"
		}
	default:
	}
	return fmt.Errorf("%s; the end of its log:\n%s", what, p.log.String())
}

// stop ends the process with a signal, then kills it if it takes longer than within. It returns when the process is
// gone.
func (p *process) stop(within time.Duration) error {
	var killed error
	select {
	case <-p.ended:
	default:
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			killed = p.kill()
		}
		timer := time.NewTimer(within)
		defer timer.Stop()
		select {
		case <-p.ended:
		case <-timer.C:
			killed = errors.Join(p.explain(fmt.Sprintf("the test node did not stop within %s and was killed", within)), p.kill())
			<-p.ended
		}
	}
	_ = p.stdin.Close() // already closed by Wait if the process ended
	return killed
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, syscall.ESRCH) {
		select {
		case <-p.ended:
			return nil
		default:
			return fmt.Errorf("kill the test node: %w", err)
		}
	}
	return nil
}

// tail keeps the last lines of a log and passes everything on.
type tail struct {
	mu    sync.Mutex
	lines [][]byte
	next  io.Writer // nil: no reader
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, []byte(line))
	if over := len(t.lines) - tailLines; over > 0 {
		t.lines = t.lines[over:]
	}
	if t.next != nil {
		if _, err := io.WriteString(t.next, line); err != nil {
			t.next = nil // a reader that is gone must not stop the server
		}
	}
}

// String returns the kept lines, indented for an error.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return "    (it printed nothing)"
	}
	return "    " + strings.TrimRight(string(bytes.Join(t.lines, []byte("    "))), "\n")
}
