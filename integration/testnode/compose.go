package testnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// composeFileName is beside go.mod.
const composeFileName = "docker-compose.test.yml"

// dockerAnswersWithin limits the check for Docker: a daemon that hangs must not block the tests.
const dockerAnswersWithin = 10 * time.Second

// composeWorks reports whether docker, its compose plug-in, its daemon and the compose file are available.
func composeWorks(ctx context.Context) bool {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return false
	}
	if _, err := composeFile(); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, dockerAnswersWithin)
	defer cancel()
	return exec.CommandContext(ctx, docker, "compose", "version").Run() == nil &&
		exec.CommandContext(ctx, docker, "info").Run() == nil
}

// composeFile searches upward from the working directory, which go test sets to the package's, for the directory with
// go.mod.
func composeFile() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			file := filepath.Join(dir, composeFileName)
			_, err := os.Stat(file)
			return file, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%s: no directory with go.mod above the working directory", composeFileName)
		}
		dir = parent
	}
}

// composition is one start of the compose file, with its own project name so that test binaries do not collide.
type composition struct {
	file, project string
	environment   []string
	folder        string    // holds the CA
	log           io.Writer // nil: only errors show what docker said
}

// composeUp starts Elasticsearch (not Kibana) from the compose file and returns when its health check passes.
func composeUp(ctx context.Context, line Line, log io.Writer) (*Cluster, error) {
	file, err := composeFile()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "dwell-compose-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the CA: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	password := newPassword()
	c := composition{
		file:    file,
		project: fmt.Sprintf("dwell-test-%s-%d", line.folder(), os.Getpid()),
		folder:  folder,
		log:     log,
		environment: append(os.Environ(),
			"DWELL_TEST_ELASTIC_PASSWORD="+password,
			"DWELL_TEST_KIBANA_PASSWORD="+newPassword(),
			"DWELL_TEST_ELASTIC_PORT="+strconv.Itoa(port)),
	}
	if line == Line9 {
		c.environment = append(c.environment, "DWELL_TEST_STACK_VERSION="+stackVersion9())
	}
	if err := c.docker(ctx, "up", "--detach", "--wait", "elasticsearch"); err != nil {
		return nil, errors.Join(fmt.Errorf("bring %s up: %w; the server's log:\n%s", composeFileName, err, c.logs()), c.down())
	}
	ca := filepath.Join(folder, "ca.crt")
	if err := c.docker(ctx, "cp", "elasticsearch:/usr/share/elasticsearch/config/certs/ca/ca.crt", ca); err != nil {
		return nil, errors.Join(fmt.Errorf("fetch the CA: %w", err), c.down())
	}
	return &Cluster{
		Line: line, Origin: "Docker Compose", URL: fmt.Sprintf("https://127.0.0.1:%d", port), CAFile: ca,
		Username: "elastic", Password: password, mayWipe: true, close: c.down,
	}, nil
}

// stackVersion9 is what Security Onion 3.1 ships, unless the environment names another 9.x.
func stackVersion9() string {
	if v := os.Getenv("DWELL_TEST_STACK_VERSION_9"); v != "" {
		return v
	}
	return "9.3.3"
}

// down removes containers, network and volume. It does not use the test's context, which has ended by then.
func (c composition) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := c.docker(ctx, "down", "--volumes", "--remove-orphans", "--timeout", "5")
	return errors.Join(err, os.RemoveAll(c.folder))
}

// logs is the end of the servers' output, or why there is none.
func (c composition) logs() string {
	ctx, cancel := context.WithTimeout(context.Background(), dockerAnswersWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", "compose", "--file", c.file, "--project-name", c.project,
		"logs", "--no-color", "--tail", strconv.Itoa(tailLines))
	cmd.Env = c.environment
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("(docker compose logs: %v)", err)
	}
	return string(out)
}

// docker runs one compose command; an error has the end of its output.
func (c composition) docker(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"compose", "--file", c.file, "--project-name", c.project}, args...)...)
	cmd.Env = c.environment
	out, err := cmd.CombinedOutput()
	output := &tail{next: c.log}
	for line := range bytes.Lines(out) {
		output.add(string(line))
	}
	if err != nil {
		return fmt.Errorf("docker compose %s: %w; the end of what it said:\n%s", args[0], err, output)
	}
	return nil
}

// freePort asks the kernel for a free port.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
