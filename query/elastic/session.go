package elastic

import (
	"context"
	"net/netip"

	"dwell/internal/hunt"
)

var _ hunt.Source = (*Source)(nil)

// Open implements [hunt.Source]. The search target is determined once per session.
func (s *Source) Open() *hunt.Session {
	one := *s
	s, one.hunt = &one, new(memo)
	return &hunt.Session{
		Connections: s.Read, Hours: s.Hours, Names: s.ReadNames, DNS: s.ReadDNS, Signatures: s.ReadSignatures, Sightings: s.Sightings,
		Hosts: s.Hosts, Contacts: s.Contacts, Plan: s.Plan, Suspects: s.Suspects, Name: s.Name, Newest: s.Newest, UIDs: s.UIDs,
		Answers: func(ctx context.Context, req hunt.Request, wanted []hunt.Answers) (hunt.Remarks, error) {
			return hunt.Remarks{}, s.Answers(ctx, req, wanted)
		},
		Facts: func(ctx context.Context, req hunt.Request, wanted []hunt.PairKey) (hunt.FactBook, hunt.Remarks, error) {
			book, notes, err := s.Facts(ctx, req, wanted)
			return book, hunt.Remarks{Notes: notes}, err
		},
		Owners: func(ctx context.Context, req hunt.Request, addrs []netip.Addr) (map[netip.Addr]hunt.Owner, hunt.Remarks, error) {
			owners, err := s.Owners(ctx, req, addrs)
			return owners, hunt.Remarks{}, err
		},
		Coverage: func(ctx context.Context, req hunt.Request) (hunt.Coverage, hunt.Remarks, error) {
			seen, notes, err := s.Coverage(ctx, req)
			return seen, hunt.Remarks{Notes: notes}, err
		},
		Sensors: func(ctx context.Context, req hunt.Request) (hunt.Window, []hunt.SensorPart, hunt.Remarks, error) {
			window, parts, notes, err := s.BySensor(ctx, req)
			return window, parts, hunt.Remarks{Notes: notes}, err
		},
		Samples: func(ctx context.Context, findings []hunt.Finding) (hunt.Remarks, error) {
			return hunt.Remarks{}, s.Sample(ctx, findings)
		},
	}
}
