package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

// Health is a Watch that keeps the state for /readyz and /metrics. Use NewHealth.
type Health struct {
	mu sync.Mutex
	// problem is why the service cannot hunt, or nil. newest is the start of the newest known connection, and silence
	// its maximum age (0: none).
	problem error
	newest  time.Time
	silence time.Duration
	skew    time.Duration

	registry     *prometheus.Registry
	hunts        *prometheus.CounterVec
	duration     prometheus.Histogram
	findings     *prometheus.GaugeVec
	missed, read prometheus.Counter
	// Gauges, in the order of NewHealth.
	windowEnd, due, spooled, bytes, damaged, unsent, lost, last, data, clock, dead prometheus.Gauge
}

// NewHealth returns a Health with its own registry.
func NewHealth(version string) *Health {
	h := &Health{registry: prometheus.NewRegistry(), problem: errors.New("the cluster was not contacted yet"), newest: time.Now(),
		hunts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dwell_hunts_total",
			Help: "Hunts since the start, by how they ended: complete, incomplete, empty (no connection in the window), held (waiting for upload) or failed."}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "dwell_hunt_duration_seconds", Help: "Time a hunt took, whatever its outcome.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 1800, 3600}}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "dwell_findings", Help: "Findings of the last hunt by severity."}, []string{"severity"}),
		windowEnd: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_window_end_timestamp_seconds",
			Help: "Where the newest window ends that was hunted and stored, Unix time."}),
		due:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_windows_due", Help: "Windows that are due and not hunted yet."}),
		missed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "dwell_windows_missed_total", Help: "Missed windows that will not be caught up."}),
		spooled: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_spool_hunts", Help: "Hunts waiting on this host for upload."}),
		bytes:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_spool_bytes", Help: "Size of the spool, damaged files and dead letters included."}),
		damaged: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_spool_damaged_files", Help: "Files of waiting hunts that could not be read and were set aside."}),
		unsent:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_notifications_waiting", Help: "Alerts waiting on this host for the webhook or syslog server."}),
		lost:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_notifications_lost", Help: "Alerts given up: no room for them, or refused by their receiver."}),
		last:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_last_hunt_connections", Help: "Connections that the last hunt read."}),
		data: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_newest_connection_timestamp_seconds",
			Help: "When the newest connection in the cluster started, as of the last hunt, Unix time."}),
		clock: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_clock_skew_seconds", Help: "How far this host's clock is ahead of the cluster's."}),
		dead:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_dead_letters", Help: "Documents that the cluster refused for good."}),
		read:  prometheus.NewCounter(prometheus.CounterOpts{Name: "dwell_connections_read_total", Help: "Connections read since the start."}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "dwell_build_info", Help: "Always 1; the label says which version runs."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	for _, outcome := range []string{"complete", "incomplete", "empty", "held", "failed"} {
		h.hunts.WithLabelValues(outcome)
	}
	h.registry.MustRegister(h.hunts, h.duration, h.findings, h.windowEnd, h.due, h.missed, h.spooled, h.bytes, h.damaged, h.unsent, h.lost, h.dead, h.read, h.last, h.data, h.clock, build)
	return h
}

// Silence sets the maximum age of the newest connection for readiness; 0 means no limit.
func (h *Health) Silence(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silence = d
}

// Clock implements Watch.
func (h *Health) Clock(c es.Clock) {
	h.clock.Set(c.Skew.Seconds())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.skew = c.Skew
}

// Ended implements Watch.
func (h *Health) Ended(_ hunt.Window, took time.Duration, err error) {
	h.duration.Observe(took.Seconds())
	if err != nil {
		h.hunts.WithLabelValues("failed").Inc()
	}
}

// Looked implements Watch.
func (h *Health) Looked(due int, err error) {
	h.due.Set(float64(due))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problem = err
}

// Newest records when the newest connection in the cluster started.
func (h *Health) Newest(at time.Time) {
	h.data.Set(float64(at.Unix()))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newest = at
}

// Missed implements Watch.
func (h *Health) Missed(n int) { h.missed.Add(float64(n)) }

// Stored records that a hunt was stored, or that it waits for upload because of the given error.
func (h *Health) Stored(d *hunt.Document, held error) {
	s := &d.Dwell.Hunt
	h.read.Add(float64(s.Connections))
	h.last.Set(float64(s.Connections))
	for severity, n := range map[string]int64{"critical": s.BySeverity.Critical, "high": s.BySeverity.High, "medium": s.BySeverity.Medium, "low": s.BySeverity.Low} {
		h.findings.WithLabelValues(severity).Set(float64(n))
	}
	switch {
	case held != nil:
		h.hunts.WithLabelValues("held").Inc()
		return
	case s.Complete && s.Connections == 0:
		h.hunts.WithLabelValues("empty").Inc()
	case s.Complete:
		h.hunts.WithLabelValues("complete").Inc()
	default:
		h.hunts.WithLabelValues("incomplete").Inc()
	}
	h.windowEnd.Set(float64(d.Dwell.Window.End.Unix()))
}

// Spool records what waits for upload on this host: hunts, documents rejected permanently, damaged files, and their
// size in bytes.
func (h *Health) Spool(hunts, dead, damaged int, bytes int64) {
	h.spooled.Set(float64(hunts))
	h.dead.Set(float64(dead))
	h.damaged.Set(float64(damaged))
	h.bytes.Set(float64(bytes))
}

// Notifications says how many alerts wait on this host for their receivers, and how many were given up.
func (h *Health) Notifications(waiting, lost int) {
	h.unsent.Set(float64(waiting))
	h.lost.Set(float64(lost))
}

// Ready reports whether the service can hunt and has data to hunt in, and if not, why.
func (h *Health) Ready() (ready bool, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.problem != nil {
		return false, h.problem.Error()
	}
	if age := time.Since(h.newest) - h.skew; h.silence > 0 && age > h.silence {
		return false, fmt.Sprintf("no data: the newest connection in the cluster started %s ago (%s): do Zeek's logs still arrive?",
			age.Round(time.Minute), h.newest.UTC().Format(time.RFC3339))
	}
	return true, ""
}

// Handler serves /healthz (the process runs), /readyz (hunting works; otherwise 503 with the reason) and /metrics.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, code int, body map[string]string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		// The client may be gone: it needs no answer.
		_ = json.NewEncoder(w).Encode(body) // Whoever asked has gone.
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ready, reason := h.Ready(); !ready {
			answer(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": reason})
			return
		}
		answer(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{Registry: h.registry}))
	return mux
}
