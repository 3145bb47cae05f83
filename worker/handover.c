/* SPDX-License-Identifier: MPL-2.0
 *
 * The plans as data, and the table of which step fits which state. */
#include "worker/handover.h"

#include "base/mem.h"

#define REC(name) \
	{ \
		HANDOVER_##name, 0 \
	}
#define DO(name) \
	{ \
		0, ACT_##name \
	}
#define END \
	{ \
		0, 0 \
	}
#define OPS(...) \
	(const struct handover_op[]) \
	{ \
		__VA_ARGS__, END \
	}

static const struct handover_plan check_source = {"check", OPS(DO(check_source)), NULL, false};
static const struct handover_plan sync_source = {"sync", OPS(REC(own), DO(sync)), NULL, false};
/* The image dies before the thaw: nobody may restore it once the original runs on (I3). */
static const struct handover_plan abort_source = {
	"abort", OPS(REC(own), DO(invalidate), DO(thaw), DO(gate_open), DO(clean_source)), NULL,
	true};
static const struct handover_plan decline_source = {"abort", OPS(REC(own)), NULL, false};
static const struct handover_plan hold_source = {
	"hold", OPS(REC(held), DO(gate_close), DO(freeze), DO(dump), DO(send)), &abort_source,
	false};
/* With no target: what can be started again by its own bundle is stopped, and stays so. */
static const struct handover_plan stop_source = {
	"stop", OPS(DO(check_source), REC(stopped), DO(stop)), &abort_source, false};
static const struct handover_plan stop_further = {"stop", OPS(DO(stop)), &abort_source, false};
static const struct handover_plan release_source = {"release", OPS(REC(released)), NULL, false};
/* All of a group or none: the record is made for all at once, when the last one has come. */
static const struct handover_plan release_group = {"release", OPS(DO(gather), REC(released)),
						   &abort_source, false};
static const struct handover_plan retire_source = {"retire", OPS(REC(done), DO(retire)), NULL,
						   true};
static const struct handover_plan clean_source = {"clean", OPS(DO(clean_source), REC(closed)), NULL,
						  false};

/* An operator's word in the place of the target's REFUSED. */
static const struct handover_plan force_source = {
	"force", OPS(REC(own), DO(invalidate), DO(thaw), DO(gate_open), DO(clean_source)), NULL,
	true};

static const struct handover_plan check_target = {"check", OPS(DO(check_target)), NULL, false};
static const struct handover_plan refuse_target = {
	"refuse", OPS(REC(refused), DO(kill), DO(unreserve)), NULL, true};
static const struct handover_plan reserve_target = {"reserve", OPS(REC(reserved), DO(reserve)),
						    &refuse_target, false};
static const struct handover_plan arm_target = {
	"arm", OPS(DO(unpack), DO(hook_before), DO(arm), REC(prepared)), &refuse_target, false};
/* A restore that is still under way would run after a person has gone back to the source's copy. */
static const struct handover_plan lost_target = {"lost", OPS(REC(lost), DO(kill)), NULL, true};
static const struct handover_plan start_target = {
	"start", OPS(REC(running), DO(go), DO(plug), DO(settle)), &lost_target, false};
/* An operator's word in the place of the source's GRANT. */
static const struct handover_plan force_target = {
	"force", OPS(REC(running), DO(go), DO(plug), DO(settle)), &lost_target, false};
/* Died between the word to the hook and the gate: opening it twice is free. */
static const struct handover_plan plug_target = {"plug", OPS(DO(plug)), NULL, false};
/* A cold move is started again, or found running. */
static const struct handover_plan restart_target = {"start", OPS(DO(go), DO(plug), DO(settle)),
						    &lost_target, false};
static const struct handover_plan clean_target = {
	"clean", OPS(DO(hook_after), DO(clean_target), REC(closed)), NULL, false};

#define IN(state) (1U << HANDOVER_##state)

/* step, side, states in which the plan begins, states in which it is done already */
static const struct {
	enum step step;
	enum handover_side side;
	unsigned begins, done;
	bool wants_proof;
	const struct handover_plan *plan;
} rows[] = {
	{STEP_check, SIDE_source, IN(none) | IN(own), 0, false, &check_source},
	{STEP_sync, SIDE_source, IN(none) | IN(own), 0, false, &sync_source},
	{STEP_hold, SIDE_source, IN(own), 0, false, &hold_source},
	{STEP_release, SIDE_source, IN(held), IN(released) | IN(done), true, &release_source},
	{STEP_stop, SIDE_source, IN(none) | IN(own), IN(stopped), false, &stop_source},
	{STEP_abort, SIDE_source, IN(held) | IN(stopped), IN(none) | IN(own) | IN(closed), false,
	 &abort_source},
	{STEP_abort, SIDE_source, IN(released), 0, true, &abort_source},
	{STEP_retire, SIDE_source, IN(released) | IN(done), IN(closed), true, &retire_source},
	{STEP_clean, SIDE_source, IN(none) | IN(own) | IN(done) | IN(stopped), IN(closed), false,
	 &clean_source},
	{STEP_force, SIDE_source, IN(released), IN(own), true, &force_source},
	{STEP_check, SIDE_target, IN(none), 0, false, &check_target},
	{STEP_reserve, SIDE_target, IN(none), IN(reserved), false, &reserve_target},
	{STEP_arm, SIDE_target, IN(reserved), IN(prepared), false, &arm_target},
	{STEP_start, SIDE_target, IN(prepared), IN(running), true, &start_target},
	{STEP_force, SIDE_target, IN(prepared), IN(running), true, &force_target},
	{STEP_refuse, SIDE_target, IN(none) | IN(reserved) | IN(prepared), IN(refused) | IN(closed),
	 false, &refuse_target},
	{STEP_clean, SIDE_target, IN(none) | IN(running) | IN(refused) | IN(lost), IN(closed),
	 false, &clean_target},
};

static int misfit(enum handover_side side, enum handover_state state, enum step step,
		  struct err *err)
{
	const char *name = handover_state_name(state);

	if (side == SIDE_source && state == HANDOVER_held && step == STEP_force)
		return fail(err, ERR_refused,
			    "force: the source is not released, it resumes by "
			    "itself at its hold deadline");
	if (side == SIDE_source && (state == HANDOVER_own || state == HANDOVER_none))
		return fail(err, ERR_canceled, "%s: the source holds nothing, it has its authority",
			    step_name(step));
	if (side == SIDE_target && (state == HANDOVER_refused || state == HANDOVER_none))
		return fail(err, ERR_canceled, "%s: the target has refused this handover",
			    step_name(step));
	if (state == HANDOVER_released)
		return fail(err, ERR_held,
			    "%s: authority is with the target, only it can give it "
			    "back",
			    step_name(step));
	if (state == HANDOVER_lost)
		return fail(err, ERR_lost, "%s: the container died on the target", step_name(step));
	return fail(err, ERR_refused, "%s does not fit the journal, which says %s", step_name(step),
		    name);
}

int handover_plan(enum handover_side side, enum handover_state state, enum step step,
		  bool proof_good, const struct handover_plan **ret_plan, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].step != step || rows[i].side != side)
			continue;
		if (rows[i].done & 1U << state) {
			*ret_plan = NULL;
			return 0;
		}
		if (!(rows[i].begins & 1U << state) || (rows[i].wants_proof && !proof_good))
			continue;
		*ret_plan = rows[i].plan;
		return 0;
	}
	return misfit(side, state, step, err);
}

const struct handover_plan *handover_recover(enum handover_side side, enum handover_state state,
					     bool same_boot)
{
	if (side == SIDE_source && state == HANDOVER_held)
		return &abort_source; /* the sender died with us: what was sent is incomplete */
	if (side == SIDE_source && state == HANDOVER_own)
		return &abort_source; /* died between the record and the thaw; thawing twice is free
				       */
	if (side == SIDE_source && state == HANDOVER_done)
		return &retire_source;
	if (side == SIDE_source && state == HANDOVER_stopped)
		return same_boot ? &stop_further : NULL; /* another boot has ended it */
	if (side == SIDE_target && (state == HANDOVER_reserved || state == HANDOVER_prepared))
		return &refuse_target; /* the hook's channel broke with us: criu has killed it */
	if (side == SIDE_target && state == HANDOVER_refused)
		return &refuse_target;
	if (side == SIDE_target && state == HANDOVER_lost)
		return &lost_target;
	if (side == SIDE_target && state == HANDOVER_running)
		return same_boot ? &plug_target : &lost_target;
	return NULL;
}

/* After another boot the files of one that was not seen to be started may not be whole. */
const struct handover_plan *handover_recover_cold(const struct handover_row *row, bool same_boot)
{
	if (same_boot)
		return row->ran ? &plug_target : &restart_target;
	return row->ran ? &restart_target : &lost_target;
}

const struct handover_plan *handover_abort_plan(void)
{
	return &abort_source;
}

const struct handover_plan *handover_decline_plan(void)
{
	return &decline_source;
}

bool handover_gives_up(const struct handover_plan *plan)
{
	return plan == &abort_source || plan == &decline_source || plan == &force_source;
}

bool handover_forces(const struct handover_plan *plan)
{
	return plan == &force_source || plan == &force_target;
}

const struct handover_plan *handover_refuse_plan(void)
{
	return &refuse_target;
}

const struct handover_plan *handover_release_plan(bool group)
{
	return group ? &release_group : &release_source;
}

const struct handover_plan *handover_start_plan(void)
{
	return &start_target;
}

const struct handover_plan *handover_retire_plan(void)
{
	return &retire_source;
}

bool handover_is_away(enum handover_state state)
{
	return state == HANDOVER_released || state == HANDOVER_done;
}

enum handover_right handover_right(const struct handover_row *row)
{
	switch (row->state == HANDOVER_closed ? row->last : row->state) {
	case HANDOVER_own:
		return RIGHT_here;
	case HANDOVER_done:
	case HANDOVER_refused:
	case HANDOVER_lost:
		return RIGHT_away;
	case HANDOVER_running: /* until it is closed a restart may find that it died: LOST */
		return row->state == HANDOVER_closed ? RIGHT_here : RIGHT_undecided;
	case HANDOVER_stopped: /* closed: given back as it was */
		return row->state == HANDOVER_closed ? RIGHT_here : RIGHT_stopped;
	case HANDOVER_held:
	case HANDOVER_released:
	case HANDOVER_reserved:
	case HANDOVER_prepared:
		return RIGHT_undecided;
	default:
		return RIGHT_unknown;
	}
}

const char *handover_state_name(unsigned state)
{
	static const char *const names[] = {
#define X(name) #name,
		HANDOVER_STATE_TABLE(X)
#undef X
	};

	return state < ARRAY_LEN(names) ? names[state] : "?";
}

const char *handover_act_name(unsigned act)
{
	static const char *const names[] = {
#define X(name) #name,
		HANDOVER_ACT_TABLE(X)
#undef X
	};

	return act < ARRAY_LEN(names) ? names[act] : "?";
}
