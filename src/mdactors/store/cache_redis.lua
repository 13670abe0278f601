-- Writes one batch, unless another was written since: then nothing, and the answer is "0".
--
-- KEYS: the hash of what is written, then the lists, then the newest values.
-- ARGV: the batch that was written last, the batch's own name, how many fields follow, those fields of the
-- hash with their values; the seconds a list lives, how many lists follow, and for each of them: the time
-- (as in its elements) before which its head is cut, or nothing, how many elements follow, those elements;
-- then the newest values.
-- Answer: "0", or the keys of lists that refused, each behind a line feed.

local CHUNK = 100
local MOST_CHUNKS = 100

local function received(element)
  if string.byte(element) == 123 then -- JSON
    return string.match(element, '"receivedAt":"([^"]*)"')
  end
  return string.format('%.0f', cmsgpack.unpack(element)[4])
end

local function cut(list, limits)
  local json, packed = string.match(limits, '(.*) (.*)')
  for _ = 1, MOST_CHUNKS do
    local head = redis.call('LRANGE', list, 0, CHUNK - 1)
    local old = 0
    for _, element in ipairs(head) do
      if received(element) >= (string.byte(element) == 123 and json or packed) then break end
      old = old + 1
    end
    if old > 0 then redis.call('LTRIM', list, old, -1) end
    if old < CHUNK then return end
  end
end

local written = KEYS[1]
if (redis.call('HGET', written, '@batch') or '') ~= ARGV[1] then return '0' end

local fields = tonumber(ARGV[3])
redis.call('HSET', written, '@batch', ARGV[2], unpack(ARGV, 4, 3 + 2 * fields))
local at = 4 + 2 * fields
local seconds = ARGV[at]
redis.call('EXPIRE', written, seconds)
local lists = tonumber(ARGV[at + 1])
at = at + 2
local refused = ''
for place = 2, lists + 1 do
  local list, limits, count = KEYS[place], ARGV[at], tonumber(ARGV[at + 1])
  local length = redis.pcall('RPUSH', list, unpack(ARGV, at + 2, at + 1 + count))
  if type(length) == 'table' then
    refused = refused .. '\n' .. list
  else
    if length == count then redis.call('EXPIRE', list, seconds) end
    if limits ~= '' then cut(list, limits) end
  end
  at = at + 2 + count
end
for place = lists + 2, #KEYS do
  redis.call('SET', KEYS[place], ARGV[at])
  at = at + 1
end
return refused
