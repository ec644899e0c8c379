package store

import (
	"context"
	"log/slog"
	"time"

	"dwell/internal/es"
	"dwell/internal/store/bulk"
	"dwell/so-config"
)

// Options of a Store; the zero value is valid.
type Options struct {
	// Budget limits the time to write one hunt; 0 means bulk.DefaultBudget.
	Budget time.Duration
	// BulkDocs limits one bulk request; 0 means bulk.DefaultMaxDocs.
	BulkDocs int
	// Alerts, if set, makes Write raise alerts.
	Alerts *AlertOptions
	// Notify, if set, receives newly raised alerts. The hunt's document is written after it returns.
	Notify func(ctx context.Context, raised []Alert) error
	// Now is the clock that measures the time of writing; nil means time.Now.
	Now func() time.Time
	// Logger logs slow writing; nil disables logging.
	Logger *slog.Logger
}

// Store writes findings and hunts to dwell's data streams and reads them back. It is safe for concurrent use.
type Store struct {
	client *es.Client
	o      Options
}

// New returns a store on a cluster.
func New(client *es.Client, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{client: client, o: o}
}

// writer returns the bulk writer of one stream.
func (s *Store) writer(stream string) *bulk.Writer {
	return bulk.New(bulk.Options{Client: s.client, Stream: stream, Budget: s.o.Budget, MaxDocs: s.o.BulkDocs, Logger: s.o.Logger})
}

// templateOf names the index template of each of dwell's streams.
func templateOf(stream string) string {
	switch stream {
	case soconfig.FindingStream:
		return "dwell-finding"
	case soconfig.HuntStream:
		return "dwell-hunt"
	case soconfig.DispositionStream:
		return "dwell-disposition"
	}
	return "dwell-alert"
}
