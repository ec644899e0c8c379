package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
	"dwell/internal/store"
)

// A queue's files: waiting alerts are NUMBER-RECEIVER.json; lost.json counts those given up.
const (
	suffix   = ".json"
	lostFile = "lost.json"
	adding   = "add.lock"
	sending  = "send.lock"
	// MaxBytes limits a queue on disk. Beyond it the oldest alerts are dropped: the newest matter most, and all are
	// stored in the cluster.
	MaxBytes = 16 << 20
)

// Queue keeps alerts in a directory until their receivers have them. Each receiver gets them in order and once, unless
// the process is killed between sending and recording it. Several processes may share it.
type Queue struct {
	dir    string
	sender *Sender
	now    func() time.Time
	max    int64
}

// NewQueue returns a sender's queue in a directory, which is created when something must wait.
func NewQueue(dir string, s *Sender, now func() time.Time) *Queue {
	return &Queue{dir: dir, sender: s, now: now, max: MaxBytes}
}

// waiting is a file of the queue.
type waiting struct {
	Receiver string    `json:"receiver"`
	Added    time.Time `json:"added"`
	Body     Body      `json:"body"`
}

// lost is what was given up, since when, and the last reason.
type lost struct {
	Alerts int       `json:"alerts"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
}

// Waiting is a queue's content.
type Waiting struct {
	// Alerts wait for the receivers in Receivers, since Oldest; one that waits for two counts twice.
	Alerts    int
	Receivers map[string]int
	Oldest    time.Time
	// Lost alerts were given up: there was no room, or the receiver rejected them. Why is the last reason.
	Lost      int
	LostSince time.Time
	Why       string
}

// Add appends the alerts of one hunt for each receiver. They are on disk when it returns.
func (q *Queue) Add(ctx context.Context, alerts []store.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	if err := os.MkdirAll(q.dir, 0o700); err != nil {
		return fmt.Errorf("queue alerts: %w", err)
	}
	release, err := atomicfile.Lock(ctx, filepath.Join(q.dir, adding))
	if err != nil {
		return fmt.Errorf("queue alerts: %w", err)
	}
	defer release()
	files, err := list(q.dir)
	if err != nil {
		return err
	}
	next := 1
	if len(files) > 0 {
		next = number(files[len(files)-1]) + 1
	}
	body := q.sender.body(alerts)
	for _, r := range q.sender.receivers() {
		b, err := encode(waiting{r, q.now().UTC(), body})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%012d-%s%s", next, r, suffix)
		if err := atomicfile.WriteBytes(filepath.Join(q.dir, name), 0o600, b); err != nil {
			return fmt.Errorf("queue alerts: %w", err)
		}
		files = append(files, name)
		next++
	}
	return q.trim(files)
}

// trim drops the oldest until the rest fits. The newest file stays, whatever its size.
func (q *Queue) trim(files []string) error {
	var total int64
	sizes := make([]int64, len(files))
	for i, name := range files {
		if info, err := os.Stat(filepath.Join(q.dir, name)); err == nil { // otherwise it was sent meanwhile
			sizes[i] = info.Size()
			total += sizes[i]
		}
	}
	for i := 0; total > q.max && i < len(files)-1; i++ {
		n := 1
		if w, err := load(filepath.Join(q.dir, files[i])); err == nil {
			n = len(w.Body.Alerts)
		}
		if err := q.giveUp(n, "the queue was full"); err != nil {
			return err
		}
		if err := remove(filepath.Join(q.dir, files[i])); err != nil {
			return err
		}
		total -= sizes[i]
	}
	return nil
}

// Deliver sends what waits, oldest first. A receiver that fails is skipped until the next call, while others continue.
// If another process is delivering, it does nothing.
func (q *Queue) Deliver(ctx context.Context) error {
	files, err := list(q.dir)
	if err != nil || len(files) == 0 {
		return err
	}
	release, err := atomicfile.TryLock(filepath.Join(q.dir, sending))
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deliver alerts: %w", err)
	}
	defer release()
	if files, err = list(q.dir); err != nil {
		return err
	}
	var errs []error
	failing := map[string]bool{}
	for _, name := range files {
		path := filepath.Join(q.dir, name)
		w, err := load(path)
		switch {
		case errors.Is(err, os.ErrNotExist): // given up meanwhile
			continue
		case err != nil:
			errs = append(errs, fmt.Errorf("deliver alerts: %w", err), q.giveUp(1, "a file of the queue is damaged"), os.Rename(path, path+".damaged"))
			continue
		case !slices.Contains(q.sender.receivers(), w.Receiver):
			errs = append(errs, q.giveUp(len(w.Body.Alerts), "the "+w.Receiver+" is no longer configured"), remove(path))
			continue
		case failing[w.Receiver]:
			continue
		}
		errs = append(errs, q.deliver(ctx, path, w, failing))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// deliver sends one file and keeps what did not arrive.
func (q *Queue) deliver(ctx context.Context, path string, w *waiting, failing map[string]bool) error {
	all := len(w.Body.Alerts)
	done, err := q.sender.send(ctx, w.Receiver, &w.Body)
	var no refused
	if errors.As(err, &no) {
		err = errors.Join(err, q.giveUp(no.alerts, no.Error()))
	}
	if done == all {
		return errors.Join(err, remove(path))
	}
	failing[w.Receiver] = true
	if w.Body.Alerts = w.Body.Alerts[done:]; done > 0 {
		b, failed := encode(w)
		if failed == nil {
			failed = atomicfile.WriteBytes(path, 0o600, b)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// giveUp counts alerts that no receiver will get.
func (q *Queue) giveUp(alerts int, why string) error {
	path := filepath.Join(q.dir, lostFile)
	l := lost{Since: q.now().UTC()}
	if b, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(b, &l) // an unreadable count starts again at zero
	}
	l.Alerts, l.Why = l.Alerts+alerts, why
	b, err := encode(l)
	if err == nil {
		err = atomicfile.WriteBytes(path, 0o600, b)
	}
	return err
}

// Look returns what waits in a directory; a missing one is empty.
func Look(dir string) (Waiting, error) {
	w := Waiting{Receivers: map[string]int{}}
	files, err := list(dir)
	if err != nil {
		return w, err
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		one, err := load(path)
		if err != nil {
			continue // sent meanwhile, or damaged: Deliver sets that aside and counts it
		}
		w.Alerts += len(one.Body.Alerts)
		w.Receivers[one.Receiver] += len(one.Body.Alerts)
		if w.Oldest.IsZero() || one.Added.Before(w.Oldest) {
			w.Oldest = one.Added
		}
	}
	var l lost
	if b, err := os.ReadFile(filepath.Join(dir, lostFile)); err == nil && json.Unmarshal(b, &l) == nil {
		w.Lost, w.LostSince, w.Why = l.Alerts, l.Since, l.Why
	}
	return w, nil
}

// String says what waits for which receiver, and what was lost; empty for nothing.
func (w *Waiting) String() string {
	var out []string
	for _, r := range []string{webhook, syslog} {
		if n := w.Receivers[r]; n > 0 {
			out = append(out, fmt.Sprintf("%s waiting for the %s", hunt.Many(n, "alert"), r))
		}
	}
	if len(out) > 0 {
		out = []string{strings.Join(out, ", ") + " since " + w.Oldest.Format(time.RFC3339)}
	}
	if w.Lost > 0 {
		out = append(out, fmt.Sprintf("%s not delivered and given up since %s, last because %s", hunt.Many(w.Lost, "alert"), w.LostSince.Format(time.RFC3339), w.Why))
	}
	return strings.Join(out, "; ")
}

// list are the waiting files, in order.
func list(dir string) (out []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("look for alerts that wait: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) && number(e.Name()) > 0 {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}

// number is a waiting file's number, 0 for any other file.
func number(name string) int {
	digits, _, _ := strings.Cut(name, "-")
	n, _ := strconv.Atoi(digits) // 0 if invalid
	return n
}

func load(path string) (*waiting, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var w waiting
	if err := json.Unmarshal(b, &w); err != nil || w.Receiver == "" {
		return nil, fmt.Errorf("%s is damaged: %w", path, errors.Join(err, errors.New("it names no receiver")))
	}
	return &w, nil
}

// remove removes a file; a missing one is no error.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove what was delivered: %w", err)
	}
	return nil
}
