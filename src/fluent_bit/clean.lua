local uuid_length = 36
local secret_words = { "auth", "cookie", "cred", "key", "pass", "pwd", "secret", "session", "token" }

local function sounds_secret(name)
  name = name:lower()
  for _, word in ipairs(secret_words) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

-- `name=value` and `name: value`, as in forms, cookies and headers.
local function cut_value(name, mark)
  if sounds_secret(name) then return name .. mark .. "..." end
end

-- Passwords have blanks; tokens and keys have none, and sentences go on behind their names.
local phrase_words = { "pass", "pwd", "secret" }

local function may_have_blanks(name)
  name = name:lower()
  -- A place in a source file: `passport.js:10:5`.
  if name:find("%.[jt]s$") then return false end
  for _, word in ipairs(phrase_words) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

-- `password: two words`, up to a comma, a semicolon or the end of the line.
local function cut_phrases(text)
  local kept, at = {}, 1
  for start, name, value in text:gmatch("%f[%w_.%-]()([%w_.%-]+):%s*()") do
    if start >= at and may_have_blanks(name) then
      kept[#kept + 1] = text:sub(at, value - 1) .. "..."
      at = text:find("[,;\n]", value) or #text + 1
    end
  end
  return table.concat(kept) .. text:sub(at)
end

-- Long runs of letters and digits; with the characters of base64 and of tokens only if they mix cases and digits, for
-- paths have these characters too.
local function cut_run(run)
  if #run > uuid_length then return "..." end
end

local function cut_mixed_run(run)
  local is_mixed = run:find("%u") and run:find("%l") and run:find("%d")
  if #run > uuid_length and is_mixed and not run:find(".js", 1, true) then return "..." end
end

-- A longer text is no message of a person, and the patterns below take long over it.
local text_length = 8192

-- Returns the beginning of a long text, without its last word: a piece of a secret has no shape.
local function shortened(text)
  if #text <= text_length then return text end
  return text:sub(1, text_length):gsub("%S*$", "", 1) .. "..."
end

local function cut(text)
  text = shortened(text)
  -- A password may have a slash that is not escaped; a path with `@` behind a port is cut too.
  text = text:gsub("://[^/%s]*:%S*@", "://")
  text = text:gsub("://[^/%s]*@", "://")
  text = text:gsub("%?%S+", "")
  text = text:gsub("{.*", "{...")
  text = text:gsub("([Bb][Ee][Aa][Rr][Ee][Rr]%s+)%S+", "%1...")
  text = text:gsub("([Bb][Aa][Ss][Ii][Cc]%s+)%S+", "%1...")
  text = cut_phrases(text)
  text = text:gsub("%f[%w_.%-]([%w_.%-]+)(=)[^%s&;,]+", cut_value)
  text = text:gsub("%f[%w_.%-]([%w_.%-]+)(:%s*)[^%s,;]+", cut_value)
  -- Newer Node.js quotes the text that is not JSON; the last quote may be missing.
  text = text:gsub('"[^"]*"?', '"..."')
  text = text:gsub("[%w_+/=.~-]+", cut_mixed_run)
  return (text:gsub("[%w_-]+", cut_run))
end

-- The message of an error may have several lines; its calls begin with `at`.
local function cut_stack(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    if #lines == 0 or line:match("^%s+at ") then lines[#lines + 1] = cut(line) end
  end
  return table.concat(lines, "\n")
end

function clean(tag, timestamp, record)
  local kept = {}
  for name, value in pairs(record) do
    if whole[name] then
      kept[name] = value
    elseif cleaned[name] and type(value) == "string" then
      kept[name] = name == "stack" and cut_stack(value) or cut(value)
    elseif cleaned[name] and type(value) ~= "table" then
      kept[name] = value
    end
  end
  if next(kept) == nil then return -1, timestamp, record end
  return 2, timestamp, kept
end
