package pipeline

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
)

// What a handshake before the window says counts for a connection that reaches into it, as in a window with both: a
// self-signed certificate against it, a known service's name for it. That nobody resolved its address is not known.
func TestBegunBeforeTheWindow(t *testing.T) {
	for _, from := range []time.Duration{0, 12 * time.Hour} {
		s := newStage(17)
		s.from = from
		push, plain := s.address(45, 193), s.address(45, 193)
		for _, h := range s.hosts { // so that look-ups are seen
			for range 20 {
				s.query(50_000+s.r.Float64()*30_000, h, s.victim[:len(s.victim)-2]+"253", "www.example.com")
			}
		}
		s.tlsFor(7200, s.victim, s.server, "", s.ja4, 5000, 70_000)
		s.logs["ssl"][len(s.logs["ssl"])-1]["validation_status"] = "self signed certificate"
		s.logs["ssl"][len(s.logs["ssl"])-1]["cert_chain_fps"] = []string{strings.Repeat("ab", 32)}
		s.logs["ssl"][len(s.logs["ssl"])-1]["subject"] = "CN=a"
		s.logs["ssl"][len(s.logs["ssl"])-1]["issuer"] = "CN=a"
		s.tlsFor(7300, s.hosts[3], push, "mtalk.google.com", s.ja4, 5000, 70_000)
		s.resolve(7250, s.hosts[3], s.victim[:len(s.victim)-2]+"253", "mtalk.google.com", push)
		s.tlsFor(7400, s.hosts[4], plain, "www.own.example", s.ja4, 5000, 70_000)
		s.resolve(7350, s.hosts[4], s.victim[:len(s.victim)-2]+"253", "www.own.example", plain)
		res := s.hunt(t, nil)
		implant, service, other := loudest(res, s.victim, s.server), loudest(res, s.hosts[3], push), loudest(res, s.hosts[4], plain)
		require.True(t, has(&implant, evidence.SelfSigned), "%v: %v", from, implant.Dwell.Reasons)
		require.True(t, has(&implant, evidence.NoName), "%v: %v", from, implant.Dwell.Reasons)
		require.Equal(t, "ab", implant.Dwell.Evidence.Protocol.Certificate.Hash[:2])
		require.NotNil(t, service.Dwell.Evidence.Service, "%v: %v", from, service.Dwell.Reasons)
		require.True(t, slices.Contains(service.Dwell.Evidence.Names, "mtalk.google.com"))
		require.False(t, has(&other, evidence.NeverResolved), "%v: %v", from, other.Dwell.Reasons)
		require.Equal(t, []string{"www.own.example"}, other.Dwell.Evidence.Names)
	}
}
