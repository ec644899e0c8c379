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

// tailLines is how much of a node's log an error shows.
const tailLines = 40

// stopWithin is how long a node may take to stop by itself before it is killed.
const stopWithin = 20 * time.Second

// readyLine is what the node prints when it answers; see TestNode.java.
const readyLine = "dwell-testnode ready "

// process is one run of a node's JVM.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // the node stops when this pipe closes, which the kernel does for a starter that was killed
	log   *tail
	ready chan map[string]string // one value: the fields of the ready line
	ended chan struct{}          // closed when the JVM is gone; err is set then
	err   error
}

// startProcess starts the JVM. It outlives ctx only if the caller lets it: nothing here watches ctx afterwards.
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
		write.Close() // Never fails for a pipe in memory, by its documentation.
		<-logged
		close(p.ended)
	}()
	return p, nil
}

// follow reads what the node prints, keeps its end and finds the ready line.
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
			default: // Said twice: the first counts.
			}
		}
		if err != nil {
			return
		}
	}
}

// awaitReady waits for the ready line and returns its fields, or says why there is none.
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

// explain makes an error of what happened, how the process ended if it did, and the end of its log.
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

// stop ends the process: a polite signal, then, when it takes longer than within, a kill. It returns when the process is
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
	_ = p.stdin.Close() // Wait closed it already when the process ended by itself.
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

// tail keeps the last lines of a log and passes all of it on.
type tail struct {
	mu    sync.Mutex
	lines [][]byte
	next  io.Writer // nil: nobody reads along
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
			t.next = nil // A reader that is gone must not stop the server.
		}
	}
}

// String returns the kept lines, indented so that they stand out in an error.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return "    (it printed nothing)"
	}
	return "    " + strings.TrimRight(string(bytes.Join(t.lines, []byte("    "))), "\n")
}
