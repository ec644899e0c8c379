package simulate_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"dwell/internal/simulate"
)

// A scenario file lists only differences from the built-in day; its lists replace the built-in ones.
func ExampleParse() {
	scenario := `
seed: 7
start: 2026-06-01T06:00:00Z
length: 3h
hosts: 4
rate: 60
work: {from: "07:00", to: "16:00"}   # UTC
services:
  - name: backup-check
    kind: beacon
    share: 50%            # of the workstations
    domain: status.backup.example
    period: 10m
    jitter: 5%
    why: backup program looks whether its server is there; benign
implants:
  - name: loader
    kind: beacon
    hosts: [ws-003]
    destinations: [203.0.113.77]
    domain: cdn.loader.example
    period: 2m
    timing: early         # as Cobalt Strike sleeps: 2m less up to 30%
    jitter: 30%
    loss: 10%
    from: 30m             # after the start
    self_signed: true
    why: loader that sleeps two minutes less up to 30%, from half past six on
`
	sc, err := simulate.Parse(strings.NewReader(scenario))
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "simulate")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := simulate.Run(context.Background(), sc, dir, simulate.Format{JSON: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	loader := s.Labels.Implants[0]
	fmt.Println(loader.Name, loader.Sources, loader.Destinations, loader.Indicator)
	_, err = simulate.Parse(strings.NewReader("implants: [{name: x, kind: beacon, period: 300}]"))
	fmt.Println(err)
	// Output:
	// loader [10.20.0.34] [203.0.113.77] beacon
	// scenario: implants[0].period (line 1): "300" has no unit: write 300s for seconds or 300m for minutes
}
