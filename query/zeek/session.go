package zeek

import (
	"context"

	"dwell/internal/hunt"
)

var _ hunt.Source = (*Source)(nil)

// Open implements [hunt.Source]. The session notes what its readings see, so that its look-ups need not read the large
// logs again; two sessions share nothing of it.
func (s *Source) Open() *hunt.Session {
	one := &Source{opts: s.opts, chunkSize: s.chunkSize, maxSpreads: s.maxSpreads, maxAnswers: s.maxAnswers, maxOnce: s.maxOnce, openBytes: s.openBytes, now: s.now}
	return &hunt.Session{
		Connections: one.Read, Names: one.ReadNames, DNS: one.ReadDNS, Signatures: one.ReadSignatures,
		Hosts: one.Hosts, Contacts: one.Contacts, Plan: one.Plan, Suspects: one.Suspects,
		Facts: func(ctx context.Context, req hunt.Request, wanted []hunt.PairKey) (hunt.FactBook, hunt.Remarks, error) {
			book, notes, err := one.Facts(ctx, req, wanted)
			return book, hunt.Remarks{Notes: notes}, err
		},
		Coverage: func(ctx context.Context, req hunt.Request) (hunt.Coverage, hunt.Remarks, error) {
			seen, notes, err := one.Coverage(ctx, req)
			return seen, hunt.Remarks{Notes: notes}, err
		},
		Sensors: func(ctx context.Context, req hunt.Request) (hunt.Window, []hunt.SensorPart, hunt.Remarks, error) {
			window, parts, notes, err := one.BySensor(ctx, req)
			return window, parts, hunt.Remarks{Notes: notes}, err
		},
	}
}
