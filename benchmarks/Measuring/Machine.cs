using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Npgsql;
using RabbitMQ.Client;

namespace ConcertSaga.Benchmarks.Measuring;

/// <summary>Describes hardware and software of this machine in two lines.</summary>
internal static class Machine
{
    public static async Task<string> DescribeAsync(string database, Uri broker)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await using var command = source.CreateCommand("SELECT split_part(current_setting('server_version'), ' ', 1)");
        var postgres = await command.ExecuteScalarAsync();
        await using var connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        var rabbit = connection.ServerProperties?.TryGetValue("version", out var version) == true && version is byte[] text
            ? Encoding.UTF8.GetString(text) : "?";

        return $"{Describe()};\nRabbitMQ {rabbit}, PostgreSQL {postgres} with its durable defaults.";
    }

    /// <summary>The machine without its servers.</summary>
    public static string Describe()
    {
        var processor = Field("/proc/cpuinfo", "model name") ?? RuntimeInformation.ProcessArchitecture.ToString();
        var memory = Field("/proc/meminfo", "MemTotal")?.Split(' ')[0] is { } kibibytes
            ? $"{double.Parse(kibibytes, CultureInfo.InvariantCulture) / 1024 / 1024:0} GiB" : "?";
        var system = File.Exists("/etc/os-release")
            ? File.ReadLines("/etc/os-release").FirstOrDefault(line => line.StartsWith("PRETTY_NAME=", StringComparison.Ordinal))?[12..]
                .Trim('"')
            : RuntimeInformation.OSDescription;
        return $"{processor}, {Environment.ProcessorCount} cores for everything, {memory} memory, {system}; "
            + $".NET {Environment.Version}";
    }

    private static string? Field(string file, string name) =>
        File.Exists(file) ? File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))
            ?.Split(':', 2)[1].Trim() : null;
}
