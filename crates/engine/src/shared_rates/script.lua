-- Rates of a group of systems, counted in one place: judged and counted in one step, all of a question or nothing of it.
--
-- The windows are those of the gate (docs/gate.md, "Rates"): thirteen parts, each a twelfth of the width, the part that is now and
-- the twelve before it. Time is the server's, and never goes back for the group.
--
-- KEYS  1 memory: since when this memory is whole. 2 intent: what one order counted. 3 everybody. 4 the user, where there is one.
-- ARGV  1 mode: take | count | back | drop | probe
--       2 attempt: which asking this is; asked again it is the same
--       3, 4 the memory that the asker knew last: when it was born and how far it had come (0: none)
--       5 when trading days begin, in microseconds after midnight UTC
--       6 whether to count what cannot be judged since the memory is not whole yet (1: yes); with probe: whether something counts that
--         the group will never be told (1: yes)
--       7..11 costs (with back: what is given back): openings, trades, volume, messages, copies
--       12..17 limits of everybody, 18..23 of the user, in the order of RATES; empty: waived
-- Gives outcome, born, seq, the server's clock, what is refused, what cannot be judged, and in how many milliseconds to ask again
-- (-1: it does not become free by itself). Refusals are pairs like "1:2": holder and rate.

local PLACES = 13
local MINUTE_PART, HOUR_PART = 60e6 / 12, 3600e6 / 12
local DAY = 86400e6
local DAY_FOR, MINUTE_FOR, MEMORY_FOR = 26 * 3600e3, 130e3, 30 * 86400e3
-- For so long after something was counted what everybody used must be there: less than it is kept, and longer than any window.
local THERE_FOR = 25 * 3600e6

-- Field, which cost, width of a part (none: counts in the trading day).
local RATES = {
  { 'openings', 1, MINUTE_PART },
  { 'trades', 2 },
  { 'volume', 3, HOUR_PART },
  { 'volume_today', 3 },
  { 'messages', 4, MINUTE_PART },
  { 'copies', 5, MINUTE_PART },
}
local COSTS = { 'c1', 'c2', 'c3', 'c4', 'c5' }

-- Amounts have up to 39 digits, and numbers here hold fifteen: three of 13 digits each, the low one first.
local LIMB = 1e13

local function amount(text)
  local digits = #text
  if digits <= 13 then return { tonumber(text), 0, 0 } end
  local low = tonumber(string.sub(text, -13))
  if digits <= 26 then return { low, tonumber(string.sub(text, 1, -14)), 0 } end
  return { low, tonumber(string.sub(text, -26, -14)), tonumber(string.sub(text, 1, -27)) }
end

local function plus(a, b)
  local low, middle, high = a[1] + b[1], a[2] + b[2], a[3] + b[3]
  if low >= LIMB then low, middle = low - LIMB, middle + 1 end
  if middle >= LIMB then middle, high = middle - LIMB, high + 1 end
  return { low, middle, high }
end

local function less(a, b)
  if a[3] ~= b[3] then return a[3] < b[3] end
  if a[2] ~= b[2] then return a[2] < b[2] end
  return a[1] < b[1]
end

-- Never below nothing.
local function minus(a, b)
  if less(a, b) then return { 0, 0, 0 } end
  local low, middle, high = a[1] - b[1], a[2] - b[2], a[3] - b[3]
  if low < 0 then low, middle = low + LIMB, middle - 1 end
  if middle < 0 then middle, high = middle + LIMB, high - 1 end
  return { low, middle, high }
end

local function is_nothing(a)
  return a[1] == 0 and a[2] == 0 and a[3] == 0
end

local function whole(number)
  return string.format('%.0f', number)
end

-- What is beyond 39 digits stays there: full.
local function written(a)
  if a[3] >= LIMB then return string.rep('9', 39) end
  if a[3] > 0 then return string.format('%.0f%013.0f%013.0f', a[3], a[2], a[1]) end
  if a[2] > 0 then return string.format('%.0f%013.0f', a[2], a[1]) end
  return whole(a[1])
end

-- "part:amount part:amount", the oldest first; a day is its own part.
local function read(text)
  local places = {}
  for part, sum in string.gmatch(text or '', '(%d+):(%d+)') do
    places[#places + 1] = { tonumber(part), amount(sum) }
  end
  return places
end

local function shown(places)
  local texts = {}
  for index, place in ipairs(places) do
    texts[index] = whole(place[1]) .. ':' .. written(place[2])
  end
  return table.concat(texts, ' ')
end

local mode, attempt = ARGV[1], ARGV[2]
local known_born, known_seq = tonumber(ARGV[3]), tonumber(ARGV[4])
local day_starts = tonumber(ARGV[5])
local costs = {}
for index = 1, 5 do costs[index] = amount(ARGV[6 + index]) end

local time = redis.call('TIME')
local clock = time[1] * 1e6 + time[2]
local memory = redis.call('HMGET', KEYS[1], 'born', 'seq', 'at', 'lost', 'counted')
local born, seq, lost = tonumber(memory[1] or nil), tonumber(memory[2] or 0), memory[4] == '1'
local counted = tonumber(memory[5] or 0)
local now = math.max(clock, tonumber(memory[3] or 0))
local function day_of(at) return math.floor((at - day_starts) / DAY) end
local today = day_of(now)

-- What was counted is lost, in part or whole, and nobody knows how much of it: somebody never told it (whatever he knew of this memory:
-- it may be a newer one than his), or knew more than is here.
if mode == 'probe' and ARGV[6] == '1' then
  born, seq, lost, counted = math.max(now, (born or 0) + 1, known_born + 1), 0, true, 0
elseif not born then
  born, seq, lost, counted = math.max(now, known_born + 1), 0, known_born > 0, 0
elseif known_born > born or (known_born == born and known_seq > seq) then
  born, seq, lost, counted = math.max(now, known_born + 1), 0, true, 0
elseif counted > 0 and now - counted < THERE_FOR and redis.call('EXISTS', KEYS[3]) == 0 then
  -- Somebody took away what everybody used, and left this. (That a user's is gone looks like a user who is new.)
  born, seq, lost, counted = math.max(now, born + 1), 0, true, 0
elseif known_born > 0 and known_born < born then
  lost = true
end

-- Always the first write: where there is no room for it the rest is not begun.
local function remember(counts)
  if counts then seq = seq + 1 end
  redis.call('HSET', KEYS[1], 'born', whole(born), 'seq', whole(seq), 'at', whole(now), 'lost', lost and '1' or '0',
    'counted', whole(counted))
  redis.call('PEXPIRE', KEYS[1], whole(MEMORY_FOR))
end

local function answer(outcome, refused, unsure, ready)
  return {
    outcome, whole(born), whole(seq), whole(clock),
    table.concat(refused or {}, ' '), table.concat(unsure or {}, ' '), whole(ready or 0),
  }
end

local function used_of(rate, key)
  return redis.call('HGET', key, rate[1])
end

-- What counts now, of what was read.
local function counting(rate, places)
  local sum = { 0, 0, 0 }
  for _, place in ipairs(places) do
    local counts
    if rate[3] then counts = math.floor(now / rate[3]) < place[1] + PLACES else counts = place[1] >= today end
    if counts then sum = plus(sum, place[2]) end
  end
  return sum
end

-- When so much fits, in milliseconds from now; below nothing: never by itself.
local function ready_after(rate, places, sum, cost, limit)
  if less(limit, cost) then return -1 end
  local at
  if rate[3] then
    for _, place in ipairs(places) do
      if math.floor(now / rate[3]) < place[1] + PLACES then
        sum = minus(sum, place[2])
        at = (place[1] + PLACES) * rate[3]
        if not less(limit, plus(sum, cost)) then break end
      end
    end
  else
    at = (math.max(today, places[1] and places[1][1] or today) + 1) * DAY + day_starts
  end
  return math.max(math.ceil((at - now) / 1e3), 0)
end

-- Whether something of this rate may have been counted before this memory began, and would count still.
local function is_unsure(rate)
  if not lost then return false end
  if rate[3] then return now < born + PLACES * rate[3] end
  return day_of(born) >= today
end

local holders = { KEYS[3], KEYS[4] }

local function judge()
  local refused, unsure, ready = {}, {}, 0
  for holder, key in ipairs(holders) do
    local fields = redis.call('HMGET', key, RATES[1][1], RATES[2][1], RATES[3][1], RATES[4][1], RATES[5][1], RATES[6][1])
    for index, rate in ipairs(RATES) do
      local cost, limit = costs[rate[2]], ARGV[5 + 6 * holder + index]
      if limit ~= '' and not is_nothing(cost) then
        limit = amount(limit)
        local places = read(fields[index])
        local sum = counting(rate, places)
        if less(limit, plus(sum, cost)) then
          refused[#refused + 1] = holder .. ':' .. index
          local after = ready_after(rate, places, sum, cost, limit)
          if after < 0 or ready < 0 then ready = -1 else ready = math.max(ready, after) end
        end
        if is_unsure(rate) then unsure[#unsure + 1] = holder .. ':' .. index end
      end
    end
  end
  return refused, unsure, ready
end

local function count()
  for _, key in ipairs(holders) do
    for _, rate in ipairs(RATES) do
      local cost = costs[rate[2]]
      if not is_nothing(cost) then
        local places = read(used_of(rate, key))
        local newest = places[#places] and places[#places][1] or 0
        local part = math.max(rate[3] and math.floor(now / rate[3]) or today, newest)
        if part == newest and #places > 0 then
          places[#places][2] = plus(places[#places][2], cost)
        else
          places[#places + 1] = { part, cost }
        end
        local kept = rate[3] and PLACES or 1
        while places[1][1] + kept <= part do table.remove(places, 1) end
        redis.call('HSET', key, rate[1], shown(places))
        redis.call('PEXPIRE', key, whole(DAY_FOR))
      end
    end
  end
  local of_the_day = not (is_nothing(costs[2]) and is_nothing(costs[3]))
  redis.call('HSET', KEYS[2], 'attempt', attempt, 'at', whole(now), 'day', whole(today), 'all', KEYS[3], 'user', KEYS[4] or '', 'given', '0')
  for index, name in ipairs(COSTS) do redis.call('HSET', KEYS[2], name, written(costs[index])) end
  redis.call('PEXPIRE', KEYS[2], whole(of_the_day and DAY_FOR or MINUTE_FOR))
end

-- Gives back what an intent counted, at most so much of it, from when it had counted; once.
local function give_back(most)
  local intent = redis.call('HMGET', KEYS[2], 'at', 'day', 'all', 'user')
  local at, day = tonumber(intent[1]), tonumber(intent[2])
  for _, key in ipairs({ intent[3], intent[4] }) do
    for _, rate in ipairs(RATES) do
      local counted = amount(redis.call('HGET', KEYS[2], COSTS[rate[2]]))
      local back = counted
      if most and less(most[rate[2]], counted) then back = most[rate[2]] end
      if key ~= '' and not is_nothing(back) then
        local places = read(used_of(rate, key))
        local newest = places[#places] and places[#places][1] or 0
        local part = rate[3] and math.min(math.floor(at / rate[3]), newest) or day
        for _, place in ipairs(places) do
          if place[1] == part then place[2] = minus(place[2], back) end
        end
        if #places > 0 then redis.call('HSET', key, rate[1], shown(places)) end
      end
    end
  end
  redis.call('HSET', KEYS[2], 'given', '1')
end

if mode == 'probe' then
  remember(false)
  return answer('probed')
end

local intent = redis.call('HMGET', KEYS[2], 'attempt', 'dead', 'given')

if mode == 'take' or mode == 'count' then
  -- Given up before it came.
  if intent[2] == attempt then
    remember(false)
    return answer('dropped')
  end
  if intent[1] == attempt then
    remember(false)
    return answer('counted')
  end
  local refused, unsure, ready = {}, {}, 0
  if mode == 'take' then refused, unsure, ready = judge() end
  if #unsure > 0 and ARGV[6] ~= '1' then
    remember(false)
    return answer('unsure', refused, unsure, ready)
  end
  if #refused > 0 then
    remember(false)
    return answer('refused', refused, unsure, ready)
  end
  for _, cost in ipairs(costs) do
    if not is_nothing(cost) then counted = now end
  end
  remember(true)
  count()
  return answer('counted', refused, unsure, 0)
end

if mode == 'drop' then
  remember(true)
  if intent[1] == attempt and intent[3] == '0' then give_back(nil) end
  redis.call('HSET', KEYS[2], 'dead', attempt)
  redis.call('PEXPIRE', KEYS[2], whole(DAY_FOR))
  return answer('given')
end

if mode == 'back' then
  local stands = intent[1] and intent[3] == '0'
  remember(stands)
  if stands then give_back(costs) end
  return answer(stands and 'given' or 'nothing')
end

return redis.error_reply('ERR failstop: unknown mode')
