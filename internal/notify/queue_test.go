package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/store"
)

// receiver is a webhook that can fail; it records the ids it accepted.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		var body Body
		b, _ := io.ReadAll(q.Body)
		if r.status == http.StatusOK && json.Unmarshal(b, &body) == nil {
			for _, a := range body.Alerts {
				r.got = append(r.got, a.ID)
			}
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// took returns what arrived since the last call.
func (r *receiver) took() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func called(ids ...string) (out []store.Alert) {
	for _, id := range ids {
		a := alerts()[0]
		a.Event.ID = id
		out = append(out, a)
	}
	return out
}

func queue(t *testing.T, dir string, o Options) *Queue {
	t.Helper()
	o.wait = time.Millisecond
	s, err := New(o)
	require.NoError(t, err)
	return NewQueue(dir, s, time.Now)
}

func holds(t *testing.T, dir string) Waiting {
	t.Helper()
	w, err := Look(dir)
	require.NoError(t, err)
	return w
}

// While the receiver is down alerts wait, also in another process; then they arrive in order, each once.
func TestQueueDeliversLaterInOrderOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "notify")
	r := newReceiver(t)
	require.Zero(t, holds(t, dir).Alerts, "a directory that is not there holds nothing")
	q := queue(t, dir, Options{Webhook: r.URL})
	require.NoError(t, q.Deliver(t.Context()))
	require.NoDirExists(t, dir)
	require.NoError(t, q.Add(t.Context(), nil))

	r.answer(http.StatusBadGateway)
	for _, list := range [][]store.Alert{called("a1", "a2"), called("b1"), called("c1")} {
		require.NoError(t, q.Add(t.Context(), list))
		require.ErrorContains(t, q.Deliver(t.Context()), "answered 502")
	}
	w := holds(t, dir)
	require.Equal(t, 4, w.Alerts)
	require.Contains(t, w.String(), "4 alerts waiting for the webhook since ")
	require.Empty(t, r.took())

	r.answer(http.StatusOK)
	other := queue(t, dir, Options{Webhook: r.URL})
	require.NoError(t, other.Add(t.Context(), called("d1")))
	require.NoError(t, other.Deliver(t.Context()))
	require.Equal(t, []string{"a1", "a2", "b1", "c1", "d1"}, r.took())
	require.NoError(t, q.Deliver(t.Context()))
	require.Empty(t, r.took(), "each once")
	w = holds(t, dir)
	require.Empty(t, w.String())
}

// A receiver that is down does not delay the other, and gets what it missed.
func TestQueueHoldsUpNobodyElse(t *testing.T) {
	dir := t.TempDir()
	r := newReceiver(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := silent.Addr().String()
	require.NoError(t, silent.Close())
	q := queue(t, dir, Options{Webhook: r.URL, Syslog: "tcp://" + address})
	require.NoError(t, q.Add(t.Context(), called("a1")))
	require.ErrorContains(t, q.Deliver(t.Context()), "syslog on "+address)
	require.NoError(t, q.Add(t.Context(), called("a2")))
	require.Error(t, q.Deliver(t.Context()))
	require.Equal(t, []string{"a1", "a2"}, r.took())
	require.Equal(t, map[string]int{"syslog": 2}, holds(t, dir).Receivers)

	back, err := net.Listen("tcp", address)
	require.NoError(t, err)
	defer back.Close()
	got := make(chan string, 2)
	go func() {
		for range 2 {
			conn, err := back.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(conn)
			got <- string(b)
		}
	}()
	require.NoError(t, q.Deliver(t.Context()))
	require.Contains(t, <-got, `"id":"a1"`)
	require.Contains(t, <-got, `"id":"a2"`)
	require.Empty(t, r.took())
	require.Zero(t, holds(t, dir).Alerts)
}

// Alerts that a receiver rejects, whose receiver is gone, or that do not fit do not delay the rest, and are counted.
func TestQueueGivesUpWhatCannotBeDelivered(t *testing.T) {
	dir := t.TempDir()
	r := newReceiver(t)
	q := queue(t, dir, Options{Webhook: r.URL})
	r.answer(http.StatusUnprocessableEntity)
	require.NoError(t, q.Add(t.Context(), called("a1", "a2")))
	require.ErrorContains(t, q.Deliver(t.Context()), "does not take what dwell sends")
	w := holds(t, dir)
	require.Equal(t, []int{0, 2}, []int{w.Alerts, w.Lost})
	require.Contains(t, w.String(), "2 alerts not delivered and given up since")

	r.answer(http.StatusOK)
	q.max = 256 << 10
	var ids []string
	for i := range 300 {
		id := fmt.Sprintf("x%04d", i)
		ids = append(ids, id)
		a := called(id)
		a[0].Message = strings.Repeat("m", 4<<10)
		require.NoError(t, q.Add(t.Context(), a))
	}
	w = holds(t, dir)
	require.LessOrEqual(t, w.Alerts, 64, "256 KiB have no room for more alerts of 4 KiB")
	require.Equal(t, 300, w.Alerts+w.Lost-2)
	require.Equal(t, "the queue was full", w.Why)
	require.NoError(t, q.Deliver(t.Context()))
	require.Equal(t, ids[len(ids)-w.Alerts:], r.took(), "the newest, in order")

	require.NoError(t, q.Add(t.Context(), called("gone")))
	require.NoError(t, queue(t, dir, Options{Syslog: "udp://127.0.0.1:9"}).Deliver(t.Context()))
	require.Equal(t, "the webhook is no longer configured", holds(t, dir).Why)

	require.NoError(t, q.Add(t.Context(), called("torn")))
	files, err := list(dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, files[0]), []byte(`{"rec`), 0o600))
	require.NoError(t, q.Add(t.Context(), called("good")))
	require.ErrorContains(t, q.Deliver(t.Context()), "is damaged")
	require.Equal(t, []string{"good"}, r.took())
	require.FileExists(t, filepath.Join(dir, files[0]+".damaged"))
	require.NoError(t, q.Deliver(t.Context()))
}

// Several processes add and deliver at once: every alert arrives once, and those of each process in order.
func TestQueueIsShared(t *testing.T) {
	dir := t.TempDir()
	r := newReceiver(t)
	var all sync.WaitGroup
	for p := range 4 {
		all.Go(func() {
			q := queue(t, dir, Options{Webhook: r.URL})
			for i := range 10 {
				if err := q.Add(t.Context(), called(fmt.Sprintf("%d-%d", p, i))); err != nil {
					t.Error(err)
				}
				if err := q.Deliver(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, queue(t, dir, Options{Webhook: r.URL}).Deliver(t.Context()))
	next := map[string]int{}
	for _, id := range r.took() {
		process, n, _ := strings.Cut(id, "-")
		require.Equal(t, fmt.Sprint(next[process]), n, id)
		next[process]++
	}
	require.Equal(t, map[string]int{"0": 10, "1": 10, "2": 10, "3": 10}, next)
}
