package schedule

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dwell/internal/hunt"
)

// Health is a Watch that keeps what /readyz and /metrics tell. Use NewHealth.
type Health struct {
	mu     sync.Mutex
	ready  bool
	reason string

	registry  *prometheus.Registry
	hunts     *prometheus.CounterVec
	duration  prometheus.Histogram
	findings  *prometheus.GaugeVec
	windowEnd prometheus.Gauge
	due       prometheus.Gauge
	missed    prometheus.Counter
	spooled   prometheus.Gauge
	dead      prometheus.Gauge
	read      prometheus.Counter
}

// NewHealth makes a Health with a registry of its own.
func NewHealth(version string) *Health {
	h := &Health{registry: prometheus.NewRegistry(), reason: "nothing was asked of the cluster yet",
		hunts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dwell_hunts_total",
			Help: "Hunts since the start, by how they ended: complete, incomplete, held (on this machine) or failed."}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "dwell_hunt_duration_seconds", Help: "Time a hunt took, whatever its outcome.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 1800, 3600}}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "dwell_findings", Help: "Findings of the last hunt by severity."}, []string{"severity"}),
		windowEnd: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_window_end_timestamp_seconds",
			Help: "Where the newest window ends that was hunted and stored, Unix time."}),
		due:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_windows_due", Help: "Windows that are due and not hunted yet."}),
		missed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "dwell_windows_missed_total", Help: "Windows that were missed and are not made up for."}),
		spooled: prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_spool_hunts", Help: "Hunts held on this machine because the cluster does not take them."}),
		dead:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwell_dead_letters", Help: "Documents that the cluster refused for good."}),
		read:    prometheus.NewCounter(prometheus.CounterOpts{Name: "dwell_connections_read_total", Help: "Connections read since the start."}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "dwell_build_info", Help: "Always 1; the label says which version runs."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	for _, outcome := range []string{"complete", "incomplete", "held", "failed"} {
		h.hunts.WithLabelValues(outcome)
	}
	h.registry.MustRegister(h.hunts, h.duration, h.findings, h.windowEnd, h.due, h.missed, h.spooled, h.dead, h.read, build)
	return h
}

// Began is Watch's.
func (h *Health) Began(hunt.Window) {}

// Ended is Watch's.
func (h *Health) Ended(_ hunt.Window, took time.Duration, err error) {
	h.duration.Observe(took.Seconds())
	if err != nil {
		h.hunts.WithLabelValues("failed").Inc()
		h.set(false, err.Error())
	}
}

// Looked is Watch's.
func (h *Health) Looked(due int, err error) {
	if err != nil {
		h.set(false, err.Error())
		return
	}
	h.due.Set(float64(due))
	h.set(true, "")
}

// Missed is Watch's.
func (h *Health) Missed(n int) { h.missed.Add(float64(n)) }

// Stored says that a hunt was stored, or held because of the given trouble.
func (h *Health) Stored(d *hunt.Document, held error) {
	s := &d.Dwell.Hunt
	h.read.Add(float64(s.Connections))
	for severity, n := range map[string]int64{"critical": s.BySeverity.Critical, "high": s.BySeverity.High, "medium": s.BySeverity.Medium, "low": s.BySeverity.Low} {
		h.findings.WithLabelValues(severity).Set(float64(n))
	}
	switch {
	case held != nil:
		h.hunts.WithLabelValues("held").Inc()
		return
	case s.Complete:
		h.hunts.WithLabelValues("complete").Inc()
	default:
		h.hunts.WithLabelValues("incomplete").Inc()
	}
	h.windowEnd.Set(float64(d.Dwell.Window.End.Unix()))
}

// Spool says what is held on this machine.
func (h *Health) Spool(hunts, dead int) {
	h.spooled.Set(float64(hunts))
	h.dead.Set(float64(dead))
}

func (h *Health) set(ready bool, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready, h.reason = ready, reason
}

// Ready says whether the cluster was reached last time, and if not, why.
func (h *Health) Ready() (ready bool, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready, h.reason
}

// Handler answers /healthz (the process lives), /readyz (it reaches the cluster: 503 and why where it does not) and /metrics.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, code int, body map[string]string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		// A reader that went away needs no answer.
		_ = json.NewEncoder(w).Encode(body)
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
