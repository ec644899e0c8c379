package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/schedule"
	"dwell/internal/store"
	"dwell/internal/systemd"
)

func newServe(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Hunt by a schedule, for as long as it runs, and store what is found",
		Long: `Hunt by a schedule and store findings and alerts, until it is told to stop (SIGTERM; a hunt under way is abandoned and
done again at the next start). Windows end at full hours UTC, so the same window is the same hunt. What was hunted is
asked of the cluster: windows missed while it was down are made up for, and none is hunted twice.

/healthz, /readyz and /metrics (Prometheus) are answered on serve.listen. Under systemd it says when it is ready and
feeds the watchdog. The configuration, the safelist and the key's file are read again before each hunt. The plain way to
hunt every hour is a timer that runs "dwell hunt --write" (docs/install.md).`,
		Example: `  dwell serve
  dwell serve --set serve.schedule=6h --set serve.window=72h
  dwell serve --set 'serve.schedule=15 */2 * * *' --set serve.listen=
  curl -s http://127.0.0.1:9274/readyz`,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context()) },
	}
	return c
}

func (a *app) serve(ctx context.Context) error {
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	times, err := schedule.Parse(settings.Serve.Schedule)
	if err != nil {
		return usageError{err}
	}
	a.wait = waitServe
	if _, err := a.client(settings); err != nil {
		return err
	}
	held, err := a.openHold(settings)
	if err != nil {
		return hint(err, "stop the other `dwell serve`, or give this one a folder of its own with state.dir")
	}
	defer held.release()

	job := &serveJob{app: a, hold: held, health: schedule.NewHealth(version), log: a.journal()}
	var listening sync.WaitGroup
	defer listening.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := a.answer(ctx, settings.Serve.Listen, job, &listening); err != nil {
		return err
	}
	manager := systemd.New(a.env)
	if err := manager.Send("READY=1"); err != nil {
		job.log.Warn("systemd was not told", "error", err)
	}
	listening.Go(func() {
		manager.Watchdog(ctx, func() bool { job.health.Ready(); return true }) // hangs where the state of the service does
	})
	job.log.Info("serving", "version", version, "schedule", settings.Serve.Schedule, "window", settings.Serve.Window.String(), "state", held.dir, "listen", settings.Serve.Listen)
	runner := schedule.New(job, schedule.Options{Schedule: times, Window: settings.Serve.Window, Settle: settings.Query.Settle,
		CatchUp: settings.Serve.CatchUp, Logger: job.log, Watch: job.health})
	err = runner.Run(ctx)
	if sent := manager.Send("STOPPING=1"); sent != nil {
		job.log.Warn("systemd was not told", "error", sent)
	}
	job.log.Info("stopped")
	return err
}

// journal is the log of a service: for a person as text, for everything else as JSON.
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
		return hint(fmt.Errorf("serve.listen: %w", err), "choose another address with serve.listen, or none with serve.listen=\"\"")
	}
	job.log.Info("listening", "address", l.Addr().String())
	server := &http.Server{Handler: job.health.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			job.log.Error("health and metrics are not answered any more", "error", err)
		}
	})
	running.Go(func() {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := server.Shutdown(late); err != nil {
			job.log.Warn("a reader of the metrics was cut off", "error", err)
		}
	})
	return nil
}

// serveJob hunts windows with the settings that are in force at the time.
type serveJob struct {
	*app
	hold   *hold
	health *schedule.Health
	log    *slog.Logger
}

var _ schedule.Job = (*serveJob)(nil)

// ready reads the settings again, since a key may have been replaced, and looks whether findings can be stored.
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

// Done is schedule.Job's. Hunts that are held count as done: they are stored first.
func (j *serveJob) Done(ctx context.Context, since time.Time) ([]time.Time, error) {
	settings, options, st, err := j.ready(ctx)
	if err != nil {
		return nil, err
	}
	if n, err := st.Replay(ctx, j.hold.spool); err != nil {
		j.log.Warn("held hunts are not stored yet", "error", err)
	} else if n > 0 {
		j.log.Info("held hunts are stored", "hunts", n)
	}
	var internal []string
	for _, p := range options.Request.Scope.Internal {
		internal = append(internal, p.String())
	}
	ends, err := st.Done(ctx, since, settings.Serve.Window, settings.Hunt.Profile, options.Request.Scope.Direction.String(), internal)
	if err != nil {
		return nil, err
	}
	held, err := j.hold.spool.Held()
	if err != nil {
		return nil, err
	}
	for i := range held {
		ends = append(ends, held[i].Dwell.Window.End.Time)
	}
	j.tell()
	return ends, nil
}

// Hunt is schedule.Job's.
func (j *serveJob) Hunt(ctx context.Context, w hunt.Window) error {
	settings, options, st, err := j.ready(ctx)
	if err != nil {
		return err
	}
	source, err := j.source(ctx, nil, settings)
	if err != nil {
		return err
	}
	options.Request.From, options.Request.To, options.Request.Since = w.Start, w.End, 0
	options.Remember = settings.Evidence.Enabled
	result, err := runHunt(ctx, source, options)
	if err != nil {
		return err
	}
	report, err := st.WriteOrHold(ctx, j.hold.spool, result.Findings, result.Document)
	if err != nil {
		return fmt.Errorf("store the hunt: %w", err)
	}
	j.remember(settings, result)
	j.health.Stored(&result.Document, report.Held)
	j.tell()
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
	if report.Held != nil {
		log.Warn("results are held on this machine: the cluster does not take them", "error", report.Held, "folder", j.hold.dir)
		return nil
	}
	log.Info("hunted", "stored", stored(&report), "complete", s.Complete)
	return nil
}

// Waiting is schedule.Job's.
func (j *serveJob) Waiting() bool {
	st, err := j.hold.spool.Status()
	return err == nil && st.Hunts > 0
}

// tell passes on what the spool holds.
func (j *serveJob) tell() {
	if st, err := j.hold.spool.Status(); err == nil {
		j.health.Spool(st.Hunts, st.Dead)
	} else {
		j.log.Warn("the spool cannot be looked at", "error", err)
	}
}
