using System.Globalization;

namespace ConcertSaga.Testing.Processes;

/// <summary>Finds the descendants of a process.</summary>
internal static class Children
{
    /// <summary>Returns all running descendants. A signal to the process group misses those with their own session.</summary>
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
            // The name in parentheses may contain any text. The state and the parent follow it.
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
