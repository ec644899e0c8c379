package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/schedule"
	"dwell/internal/store"
	"dwell/internal/systemd"
)

func newServe(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run scheduled hunts (daemon) and store the findings",
		Long: `Hunt by a schedule and store findings and alerts, until SIGTERM (a hunt in progress is abandoned and done again at the next
start). Windows end at full hours UTC, so the same window is the same hunt. The cluster knows what
was hunted: the newest serve.catch_up windows are hunted wherever one is missing, and none twice. A window that
was incomplete or empty is tried again after 5 minutes, 30 minutes and 3 hours. The cluster's clock says which windows
are over; while this host's is more than 5 minutes away from it, nothing is hunted.

/healthz, /readyz and /metrics (Prometheus) are served on serve.listen. Not ready means: the cluster is unreachable, a window
cannot be hunted, the clocks differ, or no connection arrived for serve.no_data. Under systemd it notifies
readiness and the watchdog. The configuration, the safelist and the key's file are read again before each hunt, the schedule
on SIGHUP. The simplest way to hunt every hour is a timer that runs "dwell hunt --write" (docs/install.md).`,
		Example: `  dwell serve
  dwell serve --set serve.schedule=6h --set serve.window=72h
  dwell serve --set 'serve.schedule=15 */2 * * *' --set serve.listen=
  curl -s http://127.0.0.1:9274/readyz`,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context()) },
	}
	return c
}

func (a *app) serve(ctx context.Context) error {
	// Caught from the start, because the default ends the process.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	a.wait = waitServe
	settings, err := a.load(nil)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	job := &serveJob{app: a, health: schedule.NewHealth(version), log: a.journal()}
	options, err := job.options(settings)
	if err != nil {
		return usageError{err}
	}
	if _, err := a.client(settings); err != nil {
		return err
	}
	if job.hold, err = a.openHold(settings, false); err != nil {
		return hint(err, "stop the other `dwell serve`, or give this one a directory of its own with state.dir")
	}
	defer job.hold.release()

	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := a.answer(ctx, settings.Serve.Listen, job, &running); err != nil {
		return err
	}
	job.runner = schedule.New(job, options)
	manager := systemd.New(a.env)
	tell := func(state string) {
		if err := manager.Send(state); err != nil {
			job.log.Warn("systemd was not notified", "error", err)
		}
	}
	tell("READY=1")
	running.Go(func() { manager.Watchdog(ctx, job.runner.Alive) })
	running.Go(func() {
		for {
			select {
			case <-hup:
				job.reload(settings)
			case <-ctx.Done():
				return
			}
		}
	})
	job.log.Info("serving", "version", version, "schedule", settings.Serve.Schedule, "window", settings.Serve.Window.String(), "state", job.hold.dir, "listen", settings.Serve.Listen)
	err = job.runner.Run(ctx)
	tell("STOPPING=1")
	job.log.Info("stopped")
	return err
}

// options are the schedule's by the settings; a schedule that cannot be read is an error.
func (j *serveJob) options(settings *config.Loaded) (schedule.Options, error) {
	times, err := schedule.Parse(settings.Serve.Schedule)
	j.health.Silence(settings.Serve.NoData)
	return schedule.Options{Schedule: times, Window: settings.Serve.Window, Settle: settings.Query.Settle,
		CatchUp: settings.Serve.CatchUp, Logger: j.log, Watch: j.health}, err
}

// reload reads the schedule again; other settings are read before each hunt. An error changes nothing.
func (j *serveJob) reload(started *config.Loaded) {
	settings, err := j.load(nil)
	var options schedule.Options
	if err == nil {
		options, err = j.options(settings)
	}
	if err != nil {
		j.log.Error("the configuration cannot be read again: the schedule stays as it was", "error", err)
		return
	}
	j.runner.Set(options)
	j.log.Info("configuration read again", "schedule", settings.Serve.Schedule, "window", settings.Serve.Window.String())
	for key, same := range map[string]bool{"serve.listen": settings.Serve.Listen == started.Serve.Listen, "state.dir": settings.State.Dir == started.State.Dir} {
		if !same {
			j.log.Warn("this setting takes effect at the next start", "key", key)
		}
	}
}

// journal is the service's log: text on a terminal, otherwise JSON.
func (a *app) journal() *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if a.verbose {
		o.Level = slog.LevelDebug
	}
	if a.ErrTTY {
		return slog.New(slog.NewTextHandler(a.Err, o))
	}
	return slog.New(slog.NewJSONHandler(a.Err, o))
}

// answer serves health and metrics until ctx ends.
func (a *app) answer(ctx context.Context, address string, job *serveJob, running *sync.WaitGroup) error {
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return hint(fmt.Errorf("serve.listen: %w", err), "choose another address with serve.listen, or switch it off with serve.listen=\"\"")
	}
	job.log.Info("listening", "address", l.Addr().String())
	server := &http.Server{Handler: job.health.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			job.log.Error("health and metrics are no longer served", "error", err)
		}
	})
	running.Go(func() {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := server.Shutdown(late); err != nil {
			job.log.Warn("a metrics request was aborted", "error", err)
		}
	})
	return nil
}

// serveJob hunts windows with the current settings.
type serveJob struct {
	*app
	hold   *hold
	health *schedule.Health
	runner *schedule.Runner
	log    *slog.Logger
	// silent means that it was logged that no connection arrives.
	silent bool
	// unsent means that alerts wait for their receivers.
	unsent bool
}

var _ schedule.Job = (*serveJob)(nil)

// ready reads the settings again, because a key may have been replaced, and checks that findings can be stored.
func (j *serveJob) ready(ctx context.Context) (*config.Loaded, pipeline.Options, *store.Store, error) {
	settings, err := j.load(nil)
	if err != nil {
		return nil, pipeline.Options{}, nil, err
	}
	f := huntFlags{wholeHunt: &pflag.FlagSet{}}
	options, err := f.options(ctx, j.app, settings)
	if err != nil {
		return settings, options, nil, err
	}
	st, err := j.writer(ctx, true, settings)
	return settings, options, st, err
}

// Clock is schedule.Job's.
func (j *serveJob) Clock(ctx context.Context) (es.Clock, error) {
	settings, err := j.load(nil)
	if err != nil {
		return es.Clock{}, err
	}
	look := *j.app // A look is no hunt: that the cluster is away is said at once.
	look.wait = waitNot
	st, err := look.openStore(settings)
	if err != nil {
		return es.Clock{}, err
	}
	return st.Clock(ctx)
}

// Past is schedule.Job's: by the identity of the hunt that Hunt would carry out. Hunts that wait for upload count,
// since they are stored first.
func (j *serveJob) Past(ctx context.Context, windows []hunt.Window) (map[time.Time]hunt.Past, error) {
	settings, options, st, err := j.ready(ctx)
	if settings != nil {
		j.handOn(ctx, settings) // whether the cluster answers or not
	}
	if err != nil {
		return nil, err
	}
	replayed, err := st.Replay(ctx, j.hold.spool)
	if replayed > 0 {
		j.log.Info("hunts in the spool are stored", "hunts", replayed)
	}
	if err != nil {
		j.log.Warn("not all hunts in the spool are stored yet", "error", err)
	}
	j.tell()
	source, err := j.source(ctx, nil, settings)
	if err != nil {
		return nil, err
	}
	name, err := source.Open().Name(ctx)
	if err != nil {
		return nil, err
	}
	ends, ids := make(map[string]time.Time, len(windows)), make([]string, len(windows))
	for i, w := range windows {
		ids[i] = options.Definition(name, w).ID()
		ends[ids[i]] = w.End
	}
	stored, err := st.Past(ctx, ids)
	if err != nil {
		return nil, err
	}
	held, err := j.hold.spool.Held()
	if err != nil {
		return nil, err
	}
	for i := range held {
		past := stored[held[i].Dwell.HuntID]
		past.Add(&held[i])
		stored[held[i].Dwell.HuntID] = past
	}
	out := make(map[time.Time]hunt.Past, len(stored))
	for id, past := range stored {
		if end, ok := ends[id]; ok {
			out[end] = past
		}
	}
	return out, nil
}

// Hunt is schedule.Job's.
func (j *serveJob) Hunt(ctx context.Context, w hunt.Window) (done bool, err error) {
	settings, options, st, err := j.ready(ctx)
	if err != nil {
		return false, err
	}
	source, err := j.source(ctx, nil, settings)
	if err != nil {
		return false, err
	}
	source = j.keeping(source, settings, options.Request.Scope)
	options.Request.From, options.Request.To, options.Request.Since = w.Start, w.End, 0
	options.Request.Progress = func(hunt.Progress) { j.runner.Heartbeat() }
	options.Remember = settings.Evidence.Enabled
	result, err := runHunt(ctx, source, options)
	if err != nil {
		return false, err
	}
	j.runner.Heartbeat()
	report, err := st.WriteOrHold(ctx, j.hold.spool, result.Findings, result.Document)
	if err != nil {
		return false, fmt.Errorf("store the hunt: %w", err)
	}
	j.remember(settings, result)
	j.health.Stored(&result.Document, report.Held)
	j.tell()
	j.arriving(ctx, source, &result.Document)
	s := &result.Document.Dwell.Hunt
	log := j.log.With("window", w.String(), "hunt_id", report.HuntID, "connections", s.Connections, "pairs", s.Pairs, "scored", s.Scored,
		"critical", s.BySeverity.Critical, "high", s.BySeverity.High, "medium", s.BySeverity.Medium, "low", s.BySeverity.Low,
		"seconds_read", s.Stages.Read, "seconds_score", s.Stages.Score, "seconds_evidence", s.Stages.Evidence)
	for _, g := range s.Gaps {
		log.Warn("INCOMPLETE: part of the window could not be read", "gap", g)
	}
	for _, n := range s.Notes {
		log.Debug("note", "note", n)
	}
	for _, n := range report.Notes {
		log.Warn("note", "note", n)
	}
	for _, err := range report.Undelivered {
		log.Error("alerts are stored but cannot be handed on", "error", err)
	}
	j.handOn(ctx, settings)
	if report.Held != nil {
		log.Warn("results wait on this host: the cluster does not accept them", "error", report.Held, "directory", j.hold.dir)
	} else {
		log.Info("hunted", "stored", stored(&report), "complete", s.Complete)
	}
	return result.Document.Settled(), nil
}

// arriving logs when connections stop arriving and when they resume.
func (j *serveJob) arriving(ctx context.Context, source hunt.Source, doc *hunt.Document) {
	newest, err := source.Open().Newest(ctx)
	switch {
	case err != nil:
		j.log.Debug("the newest connection is unknown", "error", err)
	case !newest.IsZero():
		j.health.Newest(newest)
	}
	silent := doc.Dwell.Hunt.Connections == 0
	switch {
	case silent && !j.silent:
		j.log.Warn("the window holds no connection in scope: there was nothing to find anything in", "window_end", doc.Dwell.Window.End.Format(time.RFC3339),
			"newest_connection", newest.Format(time.RFC3339))
	case !silent && j.silent:
		j.log.Info("connections arrive again")
	}
	j.silent = silent
}

// Waiting is schedule.Job's.
func (j *serveJob) Waiting() bool {
	st, err := j.hold.spool.Status()
	return err == nil && st.Hunts > 0 || j.unsent
}

// handOn delivers waiting alerts; a series of failures is logged once.
func (j *serveJob) handOn(ctx context.Context, settings *config.Loaded) {
	failed := j.deliver(ctx, settings)
	text, waits, err := j.undelivered(settings)
	if failed = errors.Join(failed, err); failed != nil && !j.unsent {
		j.log.Error("alerts are stored but were not delivered; they are sent again each minute", "error", failed, "state", text)
	}
	if j.unsent && waits.Alerts == 0 && failed == nil {
		j.log.Info("alerts that waited are delivered")
	}
	j.unsent = waits.Alerts > 0
	j.health.Notifications(waits.Alerts, waits.Lost)
}

// tell reports the spool's content to the metrics.
func (j *serveJob) tell() {
	if st, err := j.hold.spool.Status(); err == nil {
		j.health.Spool(st.Hunts, st.Dead, st.Refused+st.Damaged, st.Bytes)
	} else {
		j.log.Warn("the spool cannot be read", "error", err)
	}
}
