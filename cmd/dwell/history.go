package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"dwell/internal/config"
	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/query/zeek"
	"dwell/query/zeek/log"
)

// archive is a source over kept log records; it reads what is new in the files.
func (a *app) archive(ctx context.Context, paths []string, settings *config.Loaded, req hunt.Request) (hunt.Source, error) {
	store, err := a.historyOfFiles(paths, settings, req.Scope)
	if err != nil {
		a.warn("history cannot be kept, so all logs are read without it: %v", err)
		return zeek.New(zeek.Options{Paths: paths}), nil
	}
	archive := &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}),
		List: func() ([]string, error) { return log.List(paths) },
		Only: func(files map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: files}) }}
	bar := newProgress(a)
	files, why, err := archive.Update(ctx, req.Scope, bar.update)
	bar.done()
	switch {
	case err != nil && ctx.Err() == nil:
		a.warn("history cannot be kept, so all logs are read without it: %v", err)
		return archive.All, nil
	case err == nil && why != "":
		a.say("dwell: history: all %s were read again: %s", hunt.Many(files, "log"), why)
	case err == nil && files > 0:
		a.say("dwell: history: read %s", hunt.Many(files, "new or changed file"))
	}
	return archive, err
}

// historyOfFiles opens what is kept of log files, one history for each set of paths and scope. It reads none of them.
func (a *app) historyOfFiles(paths []string, settings *config.Loaded, scope hunt.Scope) (*history.Store, error) {
	absolute := make([]string, len(paths))
	for i, p := range paths {
		var err error
		if absolute[i], err = filepath.Abs(p); err != nil {
			return nil, err
		}
	}
	slices.Sort(absolute)
	return a.openHistory(settings, history.Identity(scope, absolute...), true)
}

// historyOfCluster opens what is kept of the cluster. It asks the cluster nothing.
func (a *app) historyOfCluster(settings *config.Loaded, scope hunt.Scope) (*history.Store, error) {
	return a.openHistory(settings, history.Identity(scope, append([]string{settings.Query.Index}, settings.Elasticsearch.Addresses...)...), false)
}

// keeping makes a cluster a source whose hours are kept, for hunts that are stored. Without a state directory, or where
// one that cannot be used, the hunt reads everything from the cluster and says so.
func (a *app) keeping(source hunt.Source, settings *config.Loaded, scope hunt.Scope) hunt.Source {
	store, err := a.historyOfCluster(settings, scope)
	if err != nil {
		a.warn("no history is kept, so every hunt reads its whole window: %v", err)
		return source
	}
	return &history.Cluster{Store: store, Of: source}
}

// openHistory opens a history below the state directory; one that is damaged begins again, and says so.
func (a *app) openHistory(settings *config.Loaded, id string, endOfData bool) (*history.Store, error) {
	state, err := settings.StateDir(a.Environ)
	if err != nil {
		return nil, err
	}
	store, err := history.Open(filepath.Join(state, "history"), id, history.Options{Keep: settings.History.Keep, Size: int64(settings.History.Size),
		Now: a.Now, EndOfData: endOfData})
	if errors.Is(err, history.ErrDamaged) {
		a.warn("%v", err)
		return store, nil
	}
	return store, err
}
