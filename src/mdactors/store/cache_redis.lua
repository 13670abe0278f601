-- Writes one batch, unless another was written since: then nothing, and the answer is "0".
--
-- KEYS: the hash that says what is written.
-- ARGV: a plan and a text of all that is written, one behind the other in the order of the plan: MessagePack of
--   the name of the batch that must be the last,
--   the fields of that hash, this batch's name among them: field, length,
--   the seconds that a list lives,
--   the lists: key, the receipts before which its head is cut (JSON's and packed, or nothing), lengths,
--   the newest values: key, length.
-- Answer: "0", or the keys of lists that refused, each behind a line feed.

local CHUNK = 100
local MOST_CHUNKS = 100
local BRACE = 123

local function is_old(element, json, packed)
  if string.byte(element) == BRACE then
    return string.match(element, '"receivedAt":"([^"]*)"') < json
  end
  return string.format('%.0f', cmsgpack.unpack(element)[4]) < packed
end

local function cut(list, limits)
  local json, packed = string.match(limits, '(.*) (.*)')
  for _ = 1, MOST_CHUNKS do
    local old = 0
    for _, element in ipairs(redis.call('LRANGE', list, 0, CHUNK - 1)) do
      if not is_old(element, json, packed) then break end
      old = old + 1
    end
    if old > 0 then redis.call('LTRIM', list, old, -1) end
    if old < CHUNK then return end
  end
end

local at = 1

local function next_text(length)
  local begin = at
  at = at + length
  return string.sub(ARGV[2], begin, at - 1)
end

local last, fields, seconds, lists, values = unpack(cmsgpack.unpack(ARGV[1]))
if (redis.call('HGET', KEYS[1], '@batch') or '') ~= last then return '0' end

-- First what a full or read-only server refuses: then nothing at all is written.
for _, field in ipairs(fields) do
  redis.call('HSET', KEYS[1], field[1], next_text(field[2]))
end
redis.call('EXPIRE', KEYS[1], seconds)
local refused = ''
for _, list in ipairs(lists) do
  local key, limits, elements = unpack(list)
  for place, length in ipairs(elements) do elements[place] = next_text(length) end
  local length = redis.pcall('RPUSH', key, unpack(elements))
  if type(length) == 'table' then
    refused = refused .. '\n' .. key
  else
    if length == #elements then redis.call('EXPIRE', key, seconds) end
    if limits ~= '' then cut(key, limits) end
  end
end
for _, value in ipairs(values) do
  redis.call('SET', value[1], next_text(value[2]))
end
return refused
