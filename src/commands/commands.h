/* commands/commands.h: the subcommands, one function each, and what they return.
 *
 * Shape    int command_x(int argc, char **argv): argv[0] is the subcommand's name; the return value
 *          is the exit code of the program.
 * Errors   what went wrong is on stderr; the exit code is one of enum exit_code.
 * Threads  main only. run and demo start threads of their own.
 * Source   design.md 4; durability.md 12.
 */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NO = 1,    /* it ran and the answer is no: lost rows, a step not done, damage */
    EXIT_USAGE = 2, /* usage or configuration; `check`: something fails */
    EXIT_BUSY = 3,  /* another process holds the state directory's lock */
    EXIT_STATE = 4, /* the state directory is unusable */
};

int command_run(int argc, char **argv);
int command_setup(int argc, char **argv);
int command_check(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_simulate(int argc, char **argv);
int command_emulate(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_lab(int argc, char **argv); /* demo, simulate and emulate live in volume-uploader-lab */
int command_top(int argc, char **argv);
int command_version(int argc, char **argv);
int command_help(int argc, char **argv);

struct command {
    const char *name;
    const char *text; /* one line of help */
    int (*run)(int argc, char **argv);
};

/* src/main.c's table, for `help`; ends with a NULL name. */
extern const struct command *const command_table;

#endif
