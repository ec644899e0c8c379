// Command quality measures detection against the targets of docs/detection.md: seeded series of every kind, with
// RITA's figure for each row.
//
//	go run ./integration/quality          every row, a few minutes
//	go run ./integration/quality -fast    the subset that go test guards
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
)

func main() { os.Exit(run()) }

func run() int {
	fast := flag.Bool("fast", false, "only the rows that go test guards")
	only := flag.String("run", "", "only rows whose `name` matches this expression")
	share := flag.Float64("share", 1, "of the runs of each row")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "quality: -run:", err)
		return 2
	}
	missed := 0
	fmt.Printf("%-52s %6s %7s %7s %7s %7s %7s | %7s %8s\n", "row", "n", "target", "figure", "noise", "p10", "timer", "RITA", "RITA>.7")
	group := ""
	for _, x := range rows() {
		if *fast && !x.fast || !match.MatchString(x.name) {
			continue
		}
		if x.group != group {
			group = x.group
			fmt.Println("--", group, headings()[x.kind])
		}
		r := measure(x, max(5, int(*share*float64(x.runs))))
		verdict := ""
		if !r.met() {
			verdict = "  MISSED"
			missed++
		}
		fmt.Printf("%-52s %6.0f %7s %7.3f %7.3f %7.3f %7.2f | %7.3f %8.2f%s\n", x.name, r.connections, x.goal(), r.figure, r.noise, r.tenth, r.timer, r.rita, r.ritaAlarms, verdict)
	}
	if !*fast && match.MatchString("judgment") {
		n, err := printJudgment(context.Background(), os.Stdout, 3)
		if err != nil {
			fmt.Fprintln(os.Stderr, "quality:", err)
			return 1
		}
		missed += n
	}
	if !*fast && match.MatchString("lists") {
		n, err := printLists(context.Background(), os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "quality: lists:", err)
			return 1
		}
		missed += n
	}
	if !*fast && match.MatchString("injection") {
		dir, err := capturesDir()
		if err != nil {
			fmt.Printf("-- injection: SKIPPED, %v\n", err)
		} else {
			for _, set := range benignSets() {
				series, err := benignSeries(dir, set)
				if err != nil {
					fmt.Fprintln(os.Stderr, "quality:", err)
					return 1
				}
				missed += printInjection(os.Stdout, series, injections)
			}
		}
	}
	if !*fast && match.MatchString("hours") {
		if dir, err := capturesDir(); err != nil {
			fmt.Printf("-- hours: SKIPPED, %v\n", err)
		} else if n, err := printHours(os.Stdout, dir); err != nil {
			fmt.Fprintln(os.Stderr, "quality: hours:", err)
			return 1
		} else {
			missed += n
		}
	}
	if !*fast && match.MatchString("benign day") {
		if dir, err := capturesDir(); err != nil {
			fmt.Printf("-- benign day: SKIPPED, %v\n", err)
		} else if n, err := printBenignDay(context.Background(), os.Stdout, dir); err != nil {
			fmt.Fprintln(os.Stderr, "quality: benign day:", err)
			return 1
		} else {
			missed += n
		}
	}
	if !*fast && match.MatchString("disguises") {
		n, err := printDisguises(context.Background(), os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "quality: disguises:", err)
			return 1
		}
		missed += n
	}
	if !*fast && match.MatchString("tricks") {
		n, err := printTricks(context.Background(), os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "quality: tricks:", err)
			return 1
		}
		missed += n
	}
	fmt.Printf("%d targets missed\n", missed)
	return 0
}

func headings() map[kind]string {
	return map[kind]string{
		falseAlarms: "(share of medium or more; at most the target)",
		anyAlarm:    "(share of medium or more by any indicator, the destination being rare; at most the target)",
		present:     "(share whose presence is medium or more; at least the target)",
		absent:      "(share whose presence is medium or more; at most the target)",
		timers:      "(share of medium or more; at most the target)",
		median:      "(median score; at least the target)",
		loud:        "(median of the stronger of beacon and strobe)",
		medium:      "(share that a hunt shows as medium, or high, or more; at least the target)",
		high:        "(share that a hunt shows as medium, or high, or more; at least the target)",
		found:       "(share that scores above 0.4; at least the target)",
	}
}

// goal is the target for display, "-" if there is none.
func (x *row) goal() string {
	if x.kind >= median && x.target == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", x.target)
}

// met reports whether the figure is within two standard errors of the target.
func (r *result) met() bool {
	if r.kind >= median {
		return r.figure+2*r.noise >= r.target-0.005
	}
	return r.figure-2*r.noise <= r.target
}
