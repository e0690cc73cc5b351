package contest_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/bench/contest"
)

func TestTurns(t *testing.T) {
	var order []string
	results, err := contest.Turns(3, []string{"a", "b"}, func(name string) (contest.Result, error) {
		order = append(order, name)
		return contest.Result{Rate: float64(len(order)), Busy: 1}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "b", "a", "a", "b"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
	if got, want := results.Rates("b"), []float64{2, 3, 6}; !slices.Equal(got, want) {
		t.Errorf("rates %v, want %v", got, want)
	}
}

func TestRatioIsOfPairs(t *testing.T) {
	// The machine was slow in the second round, which the medians of the columns would hide.
	if got := contest.Ratio([]float64{100, 10, 100}, []float64{50, 5, 200}); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
}

func TestVersus(t *testing.T) {
	results := contest.Results{"ours": {{Rate: 1000, Busy: 1}}, "peer": {{Rate: 500, Busy: 0.5}}}
	want := "ratio 2.000, at least 1; processor time 1.000 (1000 µs, 1000 µs each); server's core busy 100 %, 50 %"
	if got := results.Versus("ours", "peer", "at least 1"); got != want {
		t.Errorf("Versus = %q, want %q", got, want)
	}
}

func TestTable(t *testing.T) {
	var table contest.Table
	table.Add("start", contest.Rates([]float64{300, 100, 20}, "MB/s"), "", "of disk")
	var out strings.Builder
	table.Print(&out)
	want := "" +
		"| figure | gtwistd                | peer | remark  |\n" +
		"|--------|------------------------|------|---------|\n" +
		"| start  | 100 MB/s (20.0 to 300) |      | of disk |\n"
	if out.String() != want {
		t.Errorf("table\n%swant\n%s", out.String(), want)
	}
}

// TestFamily says that figures of a process are those of its children too.
func TestFamily(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("no /proc as Linux has it")
	}
	alone, err := contest.KiB(os.Getpid(), "status", "VmRSS")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "echo; read line")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 1)) // it runs
	child, childErr := contest.KiB(cmd.Process.Pid, "status", "VmRSS")
	both, bothErr := contest.KiB(os.Getpid(), "status", "VmRSS")
	in.Close()
	_ = cmd.Wait() // read fails at the end of its input
	if childErr != nil || bothErr != nil {
		t.Fatal(childErr, bothErr)
	}
	if child <= 0 || both < child || alone <= 0 {
		t.Errorf("%d KiB alone, %d with a child of %d", alone, both, child)
	}
	if _, err := contest.Busy(os.Getpid()); err != nil {
		t.Error(err)
	}
	if _, err := contest.KiB(os.Getpid(), "status", "Nonsense"); err == nil {
		t.Error("a field that is not there is no error")
	}
}

// TestBusyOfWhoIsGone says that a child's work counts after its end, as a server needs that has a process for each session.
func TestBusyOfWhoIsGone(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc as Linux has it")
	}
	before, err := contest.Busy(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	after, err := contest.Busy(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := cmd.ProcessState.UserTime(); after-before < used/2 {
		t.Errorf("%v more after a child that used %v", after-before, used)
	}
}
