-- One call for many accounts: takes what was already spent on credit, gives back what expired unspent,
-- and leases tokens where all windows have room. `now`, in microseconds, is set by what stands before.
--
-- A leaky bucket as a meter (ITU-T I.371, Annex A: the continuous-state form of the same algorithm that
-- the process runs): of each window its level, in cost, which drains at the window's rate. Doubles:
-- each rounding is paid for by UP and DOWN, so that what is wrong by it is never too much.
--
-- KEYS: one an account, `at period burst level [period burst level ...]`, the shortest period first.
-- ARGV: for each account: debt, want, least, back, back_at, windows; for each window: burst, count,
-- period in microseconds. Answers `now`, and for each account: what is leased, and the levels.

local UP, DOWN = 1 + 2 ^ -50, 1 - 2 ^ -50

local function number(text, least)
    local value = tonumber(text)
    -- Not true of what is no number either.
    if value and value >= least and value < 2 ^ 53 then return value end
end

-- What is kept: the time and a list of windows; nothing where nothing is kept; and false where what is
-- there is none of ours.
local function parse(held)
    if not held then return nil end
    if type(held) ~= 'string' or #held > 400 then return false end
    local at, windows, period, burst
    for word in string.gmatch(held, '%S+') do
        if not at then
            at = number(word, 0)
            if not at then return false end
            windows = {}
        elseif not period then
            period = number(word, 0)
            if not period then return false end
        elseif not burst then
            burst = number(word, 1)
            if not burst then return false end
        else
            local level = number(word, 0)
            if not level then return false end
            windows[#windows + 1] = { period = period, burst = burst, level = level }
            period, burst = nil, nil
        end
    end
    if not at or period or #windows == 0 then return false end
    return { at = at, windows = windows }
end

-- A window takes over from the one with the longest period that is not longer than its own, as the
-- process does when a quota changes; where all are longer, from the shortest. What then exceeds the
-- burst is forgiven; where nothing changed it is debt, and is not.
local function carried(kept, window)
    local from
    for _, old in ipairs(kept.windows) do
        if old.period == window.period and old.burst == window.burst then return old.level end
        if not from or old.period <= window.period then from = old end
    end
    return math.min(from.level, window.burst)
end

local reply, next = { string.format('%.0f', now) }, 1
local function argument()
    next = next + 1
    return tonumber(ARGV[next - 1])
end

for _, key in ipairs(KEYS) do
    local debt, want, least = argument(), argument(), argument()
    local back, back_at, count = argument(), argument(), argument()
    local held = redis.pcall('GET', key)
    local kept = parse(held)
    local windows, room = {}, math.huge
    for at = 1, count do
        local window = { burst = argument(), count = argument(), period = argument() }
        windows[at] = window
        local level = 0
        if kept == false then
            level = window.burst
        elseif kept then
            local drained = math.max(0, now - kept.at) * window.count / window.period
            level = carried(kept, window) * UP - drained * DOWN
        end
        if back > 0 and now >= back_at then
            local forgiven = (now - back_at) * window.count / window.period
            level = level - math.max(0, back * DOWN - forgiven * UP)
        end
        window.level = math.max(0, level) + debt
        room = math.min(room, math.floor(window.burst - window.level))
    end

    local leased = 0
    if room > 0 and room >= least then leased = math.min(math.max(want, least), room) end
    local written, longest = { string.format('%.0f', now) }, 0
    reply[#reply + 1] = leased
    for _, window in ipairs(windows) do
        window.level = window.level + leased
        longest = math.max(longest, window.level * window.period / window.count)
        local level = string.format('%.17g', window.level)
        written[#written + 1] = string.format('%.17g %.0f', window.period, window.burst)
        written[#written + 1] = level
        reply[#reply + 1] = level
    end
    if longest > 0 then
        -- Once all has drained it says the same as no key.
        local life = string.format('%.0f', math.ceil(longest / 1000) + 1000)
        redis.call('SET', key, table.concat(written, ' '), 'PX', life)
    elseif held then
        redis.call('DEL', key)
    end
end
return reply
