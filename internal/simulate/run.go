package simulate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"dwell/internal/atomicfile"
)

// Summary is the result of a run.
type Summary struct {
	// Labels are the content of labels.json.
	Labels *Labels
	// Files are the logs written, relative to the directory, sorted by name.
	Files []string
	// Bytes is their size on disk.
	Bytes int64
}

// Run simulates a scenario and writes its logs and labels.json to a directory, which it creates if necessary. Each file
// appears atomically, labels.json last. A directory that already has logs is rejected, because a hunt would read both.
// After an error or cancellation, the files of finished hours remain, and labels.json is missing.
func Run(ctx context.Context, sc Scenario, dir string, f Format) (Summary, error) {
	if err := sc.Validate(); err != nil {
		return Summary{}, fmt.Errorf("scenario: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Summary{}, fmt.Errorf("make the directory for the logs: %w", err)
	}
	if err := vacant(dir); err != nil {
		return Summary{}, err
	}
	e := newEngine(sc)
	out := newOutput(dir, f, e.end)
	defer out.abort()
	wanted := sc.Logs
	e.onlyConnections = len(wanted) > 0 && !slices.ContainsFunc(wanted, func(l string) bool { return l != string(ConnLog) })
	e.emit = func(log Log, written micros, r record) error {
		if len(wanted) > 0 && log != ConnLog && !slices.Contains(wanted, string(log)) {
			return nil
		}
		return out.write(log, written, r)
	}
	if err := e.run(ctx); err != nil {
		return Summary{}, fmt.Errorf("simulate: %w", err)
	}
	if err := out.close(); err != nil {
		return Summary{}, err
	}
	labels := e.truth(out.lines)
	b, err := labels.bytes()
	if err != nil {
		return Summary{}, fmt.Errorf("write %s: %w", LabelsFile, err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, LabelsFile), 0o644, b); err != nil {
		return Summary{}, err
	}
	slices.Sort(out.files)
	return Summary{Labels: labels, Files: out.files, Bytes: out.bytes}, nil
}

func newEngine(sc Scenario) *engine {
	e := &engine{world: newWorld(&sc), details: newDice(sc.Seed, "details"), names: newDice(sc.Seed, "names"), programs: map[string]micros{}, certs: map[string]micros{}, warned: map[string]micros{}}
	e.addHosts()
	e.addTalkers()
	e.addPeople()
	return e
}
