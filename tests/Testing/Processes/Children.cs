using System.Globalization;

namespace ConcertSaga.Testing.Processes;

/// <summary>The processes below a process.</summary>
internal static class Children
{
    /// <summary>All descendants that run now. Some of them lead sessions of their own, so a signal to the group misses them.</summary>
    public static IReadOnlyList<int> Of(int processId)
    {
        var byParent = Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0)
            .Where(id => id > 0)
            .ToLookup(ParentOf);
        var found = new List<int>();
        var next = new Queue<int>([processId]);
        while (next.TryDequeue(out var parent))
        {
            foreach (var child in byParent[parent])
            {
                found.Add(child);
                next.Enqueue(child);
            }
        }
        return found;
    }

    private static int ParentOf(int processId)
    {
        try
        {
            // The name in brackets may hold anything, so the fields are counted from behind it: state, then parent.
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
