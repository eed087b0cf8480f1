/* simulation: lives many histories, each from a seed, and asserts that the machine behind sync/drive.h keeps
 * TREE, TRUTH, BARRIER and DET in all of them.
 *
 *     simulation [--from SEED] [--count N]      histories SEED, SEED + 1, …  (WAKELINE_LONG=1: many)
 *     simulation --seed SEED                    one, told in full
 *     simulation --script FILE                  one from its script, told in full
 *     simulation --scripts DIR                  every *.txt in DIR; all must pass
 *   --weak 0|1 --inotify 0|1 --shuffle 0|1 --trouble PERMILLE --lenient 0|1 --rules 0|1    fix what is drawn
 * otherwise
 *   --failures DIR --keep-going N               write each failure to DIR, stop after the Nth
 *   --ignore RULE,…                             a history that breaks one of these rules ends there, and is
 * only counted
 *
 * Histories run in a child process, so that a crash or an endless loop is a failure like another: it is
 * shrunk to the shortest script that still breaks the same rule, and printed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulation/generate.h"
#include "tests/simulation/shrink.h"

enum {
	DEFAULT_COUNT = 4000,
	LONG_COUNT = 400000,
	HISTORY_SECONDS = 20,
	CANDIDATE_SECONDS = 3,
	REPLAY_EVERY = 16
};

/* What a child tells, also when it dies. */
struct shared {
	uint64_t seed;
	bool running; /* in the middle of a history */
	struct script script;
	struct failure failure;
	uint64_t histories, operations, observations, changes, ignored;
};

struct run {
	struct world *world;
	struct shared *shared;
	struct fixed fixed;
	uint64_t from, count;
	const char *failures_dir, *ignore; /* or NULL */
	unsigned keep_going, failed;
	char rule[sizeof(((struct failure *)0)->rule)]; /* what the shrinker looks for */
};

/* ---- in the child ---- */

static void limit_time(unsigned seconds)
{
	struct itimerval limit = {.it_value = {.tv_sec = seconds}};

	setitimer(ITIMER_REAL, &limit, NULL);
}

static void run_script(struct world *w, const struct script *s)
{
	world_begin(w, &s->options);
	for (unsigned i = 0; i < s->count && !world_failed(w); i++)
		world_act(w, &s->actions[i]);
	if (!world_failed(w))
		world_finish(w);
}

static void run_seed(struct run *run, uint64_t seed)
{
	struct random r = {seed * 0x2545f4914f6cdd1d + 1};
	struct script *s = &run->shared->script;
	struct world *w = run->world;
	struct style style;

	generate_style(&style, &r, &run->fixed);
	s->options = style.options;
	s->count = 0;
	world_begin(w, &s->options);
	for (unsigned at = 0; at < style.setup + style.length && !world_failed(w); at++) {
		generate_action(&s->actions[s->count], &style, w, &r, at);
		world_act(w, &s->actions[s->count++]);
	}
	if (!world_failed(w))
		world_finish(w);
}

/* DET: the script that was just recorded gives the same changes to the byte. */
static void check_repeats(struct run *run)
{
	struct world *w = run->world;
	uint64_t digest = oracle_digest(w->oracle), changes = w->change_count;

	run_script(w, &run->shared->script);
	if (oracle_digest(w->oracle) != digest || w->change_count != changes)
		failure_set(&w->failure, "DET", "the same history gave %llu changes, and then %llu or others",
			    (unsigned long long)changes, (unsigned long long)w->change_count);
}

static void child_seeds(struct run *run)
{
	struct shared *shared = run->shared;
	struct world *w = run->world;

	for (uint64_t end = run->from + run->count; shared->seed < end; shared->seed++) {
		limit_time(HISTORY_SECONDS);
		shared->running = true;
		run_seed(run, shared->seed);
		if (!world_failed(w) && shared->seed % REPLAY_EVERY == 0)
			check_repeats(run);
		if (world_failed(w) && run->ignore != NULL && strstr(run->ignore, w->failure.rule) != NULL) {
			shared->ignored++;
		} else if (world_failed(w)) {
			shared->failure = w->failure;
			return;
		}
		shared->running = false;
		shared->histories++;
		shared->operations += w->operations;
		shared->observations += w->observations;
		shared->changes += w->change_count;
		w->operations = w->observations = 0;
	}
	limit_time(0);
}

static void child_script(struct run *run)
{
	limit_time(CANDIDATE_SECONDS);
	run->shared->running = true;
	run_script(run->world, &run->shared->script);
	run->shared->failure = run->world->failure;
	run->shared->running = false;
	limit_time(0);
}

/* ---- in the parent ---- */

/* Run `body` in a child.  A child that does not come back becomes a failure, too. */
static void in_child(struct run *run, void (*body)(struct run *run), FILE *trace, bool quiet)
{
	int status = 0;
	pid_t pid;

	run->shared->failure.rule[0] = '\0';
	run->shared->running = false;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

		if (null >= 0)
			dup2(null, STDERR_FILENO);
		if (trace != NULL) {
			setvbuf(trace, NULL, _IOLBF, 0);
			dup2(fileno(trace), STDERR_FILENO);
		}
		run->world->trace = trace;
		body(run);
		if (run->shared->failure.rule[0] == '\0')
			world_deinit(run->world); /* leaves nothing behind: a leak checker sees to that */
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		failure_set(&run->shared->failure, "FORK", "%s", strerror(errno));
		return;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		failure_set(&run->shared->failure, "HANG", "a history takes too long");
	else if (WIFSIGNALED(status))
		failure_set(&run->shared->failure, "CRASH", "%s", strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		failure_set(&run->shared->failure, "CRASH", "exit status %d", WEXITSTATUS(status));
}

static bool candidate_fails(void *context, const struct script *s)
{
	struct run *run = context;

	run->shared->script = *s;
	in_child(run, child_script, NULL, true);
	return strcmp(run->shared->failure.rule, run->rule) == 0;
}

static void print_failure(struct run *run, const struct script *s, FILE *out)
{
	fprintf(out, "# %s: %s\n# seed %llu, %u actions\n", run->shared->failure.rule,
		run->shared->failure.text, (unsigned long long)run->shared->seed, s->count);
	fprintf(out, "# replay: simulation --script THIS_FILE\n");
	script_print(s, out);
}

static void write_failure(struct run *run, struct script *s)
{
	char path[4096];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%03u.txt", run->failures_dir, run->failed);
	out = fopen(path, "w+e");
	if (out == NULL) {
		fprintf(stderr, "simulation: cannot write %s: %s\n", path, strerror(errno));
		return;
	}
	print_failure(run, s, out);
	fprintf(out, "#\n# what happens:\n");
	run->shared->script = *s;
	in_child(run, child_script, out, false);
	fclose(out);
	printf("written to %s\n", path);
}

static void report_failure(struct run *run)
{
	struct script *s = malloc(sizeof(*s));

	if (s == NULL)
		return;
	run->failed++;
	printf("FAILED seed %llu: %s: %s\n", (unsigned long long)run->shared->seed, run->shared->failure.rule,
	       run->shared->failure.text);
	*s = run->shared->script;
	memcpy(run->rule, run->shared->failure.rule, sizeof(run->rule));
	if (candidate_fails(run, s))
		shrink(s, candidate_fails, run);
	else
		printf("the recorded script does not fail: run it with --seed\n");
	candidate_fails(run, s);
	print_failure(run, s, stdout);
	if (run->failures_dir != NULL)
		write_failure(run, s);
	free(s);
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_seeds(struct run *run)
{
	struct shared *shared = run->shared;
	double began = seconds_now();

	shared->seed = run->from;
	while (shared->seed < run->from + run->count) {
		uint64_t at;

		in_child(run, child_seeds, NULL, run->keep_going > 1);
		if (shared->failure.rule[0] == '\0')
			break;
		at = shared->seed;
		report_failure(run);
		shared->seed = at + 1;
		if (run->failed >= run->keep_going)
			break;
	}
	printf("%llu histories, %llu operations, %llu observations, %llu changes in %.1f s; %llu ignored, %u "
	       "failures\n",
	       (unsigned long long)shared->histories, (unsigned long long)shared->operations,
	       (unsigned long long)shared->observations, (unsigned long long)shared->changes,
	       seconds_now() - began, (unsigned long long)shared->ignored, run->failed);
	return run->failed > 0;
}

static void child_one_seed(struct run *run)
{
	limit_time(HISTORY_SECONDS);
	run_seed(run, run->from);
	run->shared->failure = run->world->failure;
	limit_time(0);
}

static int say_result(const struct run *run)
{
	const struct failure *f = &run->shared->failure;

	if (f->rule[0] == '\0') {
		printf("passed\n");
		return 0;
	}
	printf("FAILED: %s: %s\n", f->rule, f->text);
	return 1;
}

static bool read_script(struct run *run, const char *path)
{
	FILE *in = fopen(path, "re");
	unsigned line;
	bool ok;

	if (in == NULL) {
		fprintf(stderr, "simulation: cannot read %s: %s\n", path, strerror(errno));
		return false;
	}
	ok = script_read(&run->shared->script, in, &line);
	fclose(in);
	if (!ok)
		fprintf(stderr, "simulation: %s:%u: not understood\n", path, line);
	return ok;
}

static int run_one_script(struct run *run, const char *path)
{
	if (!read_script(run, path))
		return 2;
	in_child(run, child_script, stdout, false);
	return say_result(run);
}

static int is_script(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

static int run_scripts(struct run *run, const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_script, alphasort), failed = 0;

	if (n < 0) {
		fprintf(stderr, "simulation: cannot read %s: %s\n", dir, strerror(errno));
		return 2;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		printf("%s: ", entries[i]->d_name);
		if (!read_script(run, path)) {
			failed = 1;
		} else {
			in_child(run, child_script, NULL, false);
			failed |= say_result(run);
		}
		free(entries[i]);
	}
	free(entries);
	return failed;
}

/* ---- the command line ---- */

enum mode { MODE_MANY, MODE_SEED, MODE_SCRIPT, MODE_SCRIPTS };

struct command {
	enum mode mode;
	const char *path;
};

static bool parse(struct run *run, struct command *c, int argc, char **argv)
{
	static const struct option options[] = {
		{"from", required_argument, NULL, 'f'},
		{"count", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'},
		{"script", required_argument, NULL, 'S'},
		{"scripts", required_argument, NULL, 'D'},
		{"weak", required_argument, NULL, 'w'},
		{"inotify", required_argument, NULL, 'i'},
		{"shuffle", required_argument, NULL, 'u'},
		{"trouble", required_argument, NULL, 't'},
		{"lenient", required_argument, NULL, 'l'},
		{"failures", required_argument, NULL, 'F'},
		{"keep-going", required_argument, NULL, 'k'},
		{"ignore", required_argument, NULL, 'I'},
		{"rules", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			run->from = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			run->count = strtoull(optarg, NULL, 10);
			break;
		case 's':
			run->from = strtoull(optarg, NULL, 10);
			c->mode = MODE_SEED;
			break;
		case 'S':
		case 'D':
			c->path = optarg;
			c->mode = option == 'S' ? MODE_SCRIPT : MODE_SCRIPTS;
			break;
		case 'w':
			run->fixed.weak = atoi(optarg);
			break;
		case 'i':
			run->fixed.inotify = atoi(optarg);
			break;
		case 'u':
			run->fixed.shuffle = atoi(optarg);
			break;
		case 't':
			run->fixed.trouble = atoi(optarg);
			break;
		case 'l':
			run->fixed.lenient = atoi(optarg);
			break;
		case 'r':
			run->fixed.rules = atoi(optarg);
			break;
		case 'F':
			run->failures_dir = optarg;
			break;
		case 'I':
			run->ignore = optarg;
			break;
		case 'k':
			run->keep_going = (unsigned)atoi(optarg);
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

static int run_mode(struct run *run, const struct command *c)
{
	switch (c->mode) {
	case MODE_MANY:
		return run_seeds(run);
	case MODE_SEED:
		in_child(run, child_one_seed, stdout, false);
		return say_result(run);
	case MODE_SCRIPT:
		return run_one_script(run, c->path);
	case MODE_SCRIPTS:
		return run_scripts(run, c->path);
	}
	return 2;
}

int main(int argc, char **argv)
{
	struct run run = {.from = 1,
			  .keep_going = 1,
			  .fixed = {-1, -1, -1, -1, -1, -1},
			  .count = getenv("WAKELINE_LONG") != NULL ? LONG_COUNT : DEFAULT_COUNT};
	struct command c = {.mode = MODE_MANY};
	int r = 2;

	if (!parse(&run, &c, argc, argv)) {
		fprintf(stderr,
			"usage: simulation [--from SEED] [--count N] [--seed SEED] [--script FILE] …\n");
		return 2;
	}
	run.shared =
		mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	run.world = calloc(1, sizeof(*run.world));
	if (run.shared != MAP_FAILED && run.world != NULL && world_init(run.world) == 0)
		r = run_mode(&run, &c);
	if (run.world != NULL)
		world_deinit(run.world);
	free(run.world);
	return r;
}
