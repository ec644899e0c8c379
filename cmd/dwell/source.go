package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"dwell/internal/config"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/query/elastic"
	"dwell/query/zeek"
)

// source is Zeek logs with --zeek, otherwise the cluster.
func (a *app) source(_ context.Context, paths []string, settings *config.Loaded) (hunt.Source, error) {
	if len(paths) > 0 {
		return zeek.New(zeek.Options{Paths: paths}), nil
	}
	client, err := a.client(settings)
	if err != nil {
		return nil, err
	}
	source, err := elastic.New(client, elastic.Options{Index: strings.Split(settings.Query.Index, ","),
		SliceDocs: settings.Query.SliceDocuments, Concurrency: settings.Query.Concurrency, Logger: a.logger(), Now: a.Now})
	if err != nil {
		return nil, usageError{err}
	}
	return source, nil
}

// client returns the cluster's client.
func (a *app) client(settings *config.Loaded) (*es.Client, error) {
	s := settings.Elasticsearch
	if len(s.Addresses) == 0 {
		return nil, hint(usage("no Elasticsearch configured: elasticsearch.addresses is not set"),
			"set it in the configuration file or as DWELL_ELASTICSEARCH_ADDRESSES=https://manager:9200; log files need none: `dwell hunt`, `show`, `host`, `who` and `diff` read them with --zeek PATH")
	}
	if settings.Unread != nil {
		return nil, usageError{settings.Unread}
	}
	retries := s.Retries
	if retries == 0 {
		retries = -1 // es takes zero for its default
	}
	c, err := es.New(es.Config{Addresses: s.Addresses, CAFile: s.CAFile, Insecure: s.Insecure, APIKey: s.APIKey,
		Username: s.Username, Password: s.Password, Timeout: s.Timeout, MaxRetries: retries, Patience: a.wait.patience(s.Patience), UserAgent: "dwell/" + version, Logger: a.logger()})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// wait is whether a command waits for an unreachable cluster. Hunts do; other commands fail at once.
type wait int

const (
	waitNot wait = iota
	waitHunt
	// waitServe waits longer, because no person restarts it.
	waitServe
)

// servePatience is the minimum wait of a service.
const servePatience = 10 * time.Minute

func (w wait) patience(set time.Duration) time.Duration {
	switch {
	case w == waitNot || set == 0:
		return 0
	case w == waitServe:
		return max(set, servePatience)
	}
	return set
}

// logger logs to stderr, more with --verbose.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level}))
}
