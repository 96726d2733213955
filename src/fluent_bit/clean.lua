local uuid_length = 36

local function cut(text)
  -- A password may have a slash that is not escaped; a path with `@` behind a port is cut too.
  text = text:gsub("://[^/%s]*:%S*@", "://")
  text = text:gsub("://[^/%s]*@", "://")
  text = text:gsub("%?%S+", "")
  text = text:gsub("{.*", "{...")
  return (text:gsub("[%w_-]+", function(run)
    if #run > uuid_length then return "..." end
  end))
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
