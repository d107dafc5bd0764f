/* `top`: the status page's picture in a terminal, read from the status server of a run. */
#include "base/clock.h"
#include "commands/options.h"
#include "commands/top_screen.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (1024U * 1024U)
#define WAIT_US (5 * CLOCK_SECOND_US)
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define REST_OF_SCREEN "\033[J"

struct top {
    const struct settings *settings;
    struct buf answer;
    struct top_screen screen;
    int signal_fd;
    bool raw; /* the terminal was set so */
    struct termios before;
};

/* --- asking --- */

static int dial(const struct settings *s, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    /* A server on all addresses is asked on this machine. */
    const char *host = strcmp(s->status_host, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(s->status_host, "::") == 0    ? "::1"
                                                              : s->status_host;
    struct timeval wait = {.tv_sec = WAIT_US / CLOCK_SECOND_US};
    char port[8];
    int fd = -1, why;

    (void)snprintf(port, sizeof(port), "%u", s->status_port);
    why = getaddrinfo(host, port, &hints, &list);
    if (why) {
        err_set(err, ERR_DENIED, 0, "%.80s: %s", host, gai_strerror(why));
        return -1;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            err_sys(err, ERR_RETRY, "connect to %.80s:%s", host, port);
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static bool receive(struct top *top, int fd, struct err *err)
{
    int64_t end = clock_mono_us() + WAIT_US;

    for (;;) {
        char *to = buf_reserve(&top->answer, 16384);
        ssize_t n;

        if (!to)
            return buf_check(&top->answer, "the answer of the status server", err);
        n = recv(fd, to, 16384, 0);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || clock_mono_us() > end)
            return err_sys(err, ERR_RETRY, "the status server does not answer");
        top->answer.len += (size_t)n;
    }
}

/* The plain lines; HTTP/1.0: they end with the connection. */
static bool ask(struct top *top, struct span *ret_lines, struct err *err)
{
    static const char request[] = "GET /api/status.txt HTTP/1.0\r\n\r\n";
    const char *body;
    bool ok = false;
    int fd = dial(top->settings, err);

    if (fd < 0)
        return false;
    buf_reset(&top->answer);
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1) {
        err_sys(err, ERR_RETRY, "ask the status server");
        goto out;
    }
    if (!receive(top, fd, err))
        goto out;
    body = memmem(buf_text(&top->answer), top->answer.len, "\r\n\r\n", 4);
    if (!body || top->answer.len < 12 || memcmp(top->answer.data, "HTTP/1.", 7) != 0 ||
        memcmp(top->answer.data + 8, " 200", 4) != 0) {
        err_set(err, ERR_INPUT, 0, "what listens there is no status server of this program");
        goto out;
    }
    body += 4;
    *ret_lines = (struct span){body, top->answer.len - (size_t)(body - top->answer.data)};
    ok = true;
out:
    (void)close(fd);
    return ok;
}

/* --- showing --- */

static void window_size(struct top_screen *screen)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;

    screen->width = known ? size.ws_col : 1000; /* a file, a pipe: nothing is cut */
    screen->height = known ? size.ws_row : 0;
}

static bool show(struct top *top, bool in_place)
{
    struct span lines;
    struct buf out;
    struct err err;
    bool ok = ask(top, &lines, &err);

    buf_init(&out, ANSWER_BYTES_MAX);
    window_size(&top->screen);
    if (in_place)
        buf_add_text(&out, HOME);
    if (ok)
        top_screen_draw(&top->screen, lines, &out);
    else if (in_place)
        top_screen_failed(&top->screen, err.text, &out);
    else
        (void)fprintf(stderr,
            "error: %s\nIs 'volume-uploader run' running here, and is its "
            "status_listen %s?\n",
            err.text, top->settings->status_listen);
    if (in_place)
        buf_add_text(&out, REST_OF_SCREEN);
    ok = options_print(&out) && ok;
    buf_done(&out);
    return ok;
}

/* q, Ctrl-C or SIGTERM end it; the terminal is put back in any case. */
static bool watch_signals(struct top *top)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return false;
    top->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return top->signal_fd >= 0;
}

static void set_terminal(struct top *top)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &top->before) < 0)
        return;
    raw = top->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    top->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void show_until_quit(struct top *top, int64_t every_us)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = top->signal_fd, .events = POLLIN},
            {.fd = top->raw ? STDIN_FILENO : -1, .events = POLLIN}};
        int64_t due = clock_mono_us() + every_us;
        char key = 0;

        (void)show(top, true);
        do {
            int64_t wait = due - clock_mono_us();

            (void)poll(fds, 2, wait > 0 ? (int)(wait / 1000) : 0);
            if (fds[0].revents)
                return;
            if (fds[1].revents && read(STDIN_FILENO, &key, 1) <= 0)
                fds[1].fd = -1; /* the keyboard is gone */
            if (key == 'q' || key == 'Q' || key == 3)
                return;
        } while (clock_mono_us() < due);
    }
}

static int run_top(struct top *top, bool once, int64_t every_us)
{
    bool ok;

    buf_init(&top->answer, ANSWER_BYTES_MAX);
    top->signal_fd = -1;
    top->screen.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (once || !isatty(STDOUT_FILENO)) {
        ok = show(top, false);
    } else {
        ok = watch_signals(top);
        set_terminal(top);
        (void)fputs(ENTER, stdout);
        if (ok)
            show_until_quit(top, every_us);
        (void)fputs(LEAVE, stdout);
        (void)fflush(stdout);
        if (top->raw)
            (void)tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
    }
    if (top->signal_fd >= 0)
        (void)close(top->signal_fd);
    buf_done(&top->answer);
    return ok ? EXIT_DONE : EXIT_NO;
}

int command_top(int argc, char **argv)
{
    const char *every = NULL;
    bool once = false;
    const struct option_spec own[] = {
        {"every", "DURATION", "time between two looks (1s)", &every, NULL},
        {"once", NULL, "one picture, then end; also when the output is no terminal", NULL, &once},
        {0},
    };
    struct options options = {
        .command = "top",
        .arguments = "",
        .text =
            "Shows what a running 'volume-uploader run' is doing: the status page in a terminal.\n"
            "Press q to leave.\n",
        .own = own,
        .config_flags = CONFIG_TOP,
    };
    struct top top = {0};
    int64_t every_us = CLOCK_SECOND_US;
    int code = EXIT_USAGE;
    struct err err;

    options.config = config_new(CONFIG_TOP, &err);
    if (!options.config)
        return options_usage("top", "%s", err.text);
    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        code = EXIT_DONE;
        goto out;
    case OPTIONS_BAD:
        goto out;
    case OPTIONS_OK:
        break;
    }
    if (!options_duration_us(
            "every", every, CLOCK_SECOND_US / 10, 3600 * CLOCK_SECOND_US, &every_us) ||
        !options_load(options.config))
        goto out;
    top.settings = config_settings(options.config);
    if (!top.settings->status_listen)
        code = options_usage("top", "status_listen is off: there is nothing to ask");
    else
        code = run_top(&top, once, every_us);
out:
    config_free(options.config);
    return code;
}
