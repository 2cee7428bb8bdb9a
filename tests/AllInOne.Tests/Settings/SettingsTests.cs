using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.AllInOne.Tests.Settings;

/// <summary>An invalid setting of any process stops its start with one line that names the key.</summary>
public sealed class SettingsTests
{
    private const string Password = "p4ssw0rd-of-a-test";

    public static TheoryData<string> AllHosts => [.. Hosts.Names];

    [Theory]
    [MemberData(nameof(AllHosts))]
    public void Settings_OfEveryOptionsClass_AreValidatedAtStart(string host)
    {
        var wrong = new List<string>();
        var tested = 0;
        foreach (var setting in OptionsClasses.Of(Hosts.Build(host).Services)
            .SelectMany(options => OptionsClasses.SettingsOf(options.Section, options.Type)))
        {
            foreach (var (key, value) in WrongFormsOf(setting.Type).Select(value => (setting.Key, value)).Concat(OutOfRange(setting))
                .Append(($"{setting.Key}:Below", "1")))
            {
                tested++;
                if (ProblemOf(host, key, value) is { } problem)
                    wrong.Add($"{key}={value}: {problem}");
            }
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(tested >= 20, $"{tested} values were tested.");
    }

    [Theory]
    [MemberData(nameof(AllHosts))]
    public void Settings_OfTheFramework_AreValidatedAtStart(string host)
    {
        (string Key, string Value)[] values =
        [
            ("urls", "127.0.0.1:18080"), ("urls", "localhost"), ("urls", "ftp://localhost:1"), ("urls", "http://localhost:99999"),
                ("urls", "http://localhost:8080/path"),
            ("urls", "http://localhost:1;nonsense"), ("http_ports", "eighty"), ("http_ports", "70000"), ("https_ports", "-1"),
            ("Logging:LogLevel:Default", "Loud"), ("Logging:LogLevel:Microsoft.AspNetCore", "3"),
                ("Logging:Console:LogLevel:Default", "Warning, Error"), ("Logging:Level", "Debug"),
            ("Kestrel:Limits:MaxConcurrentConnections", "1"), ("Kestrel:EndpointDefaults:Protocols", "Http9"),
                ("Kestrel:EndpointDefaults:ClientCertificateMode", "1"),
            ("Kestrel:Endpoints:One:Url", "localhost"), ("Kestrel:Endpoints:One:Uri", "http://localhost:1"),
            ("ConnectionStrings:Point", "x"), ("Database:Provder", "Sqlite"), ("Database", "Sqlite"), ("Payments:Retries", "1"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
        ];
        var wrong = values.Select(value => (value, problem: ProblemOf(host, value.Key, value.Value)))
            .Where(result => result.problem is not null)
            .Select(result => $"{result.value}: {result.problem}").ToList();
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [MemberData(nameof(AllHosts))]
    public void Settings_WithoutAClass_AreValidatedAtStart(string host)
    {
        var values = new List<(string Key, string Value)>();
        var services = Hosts.Build(host).Services;
        if (services.Any(service => service.ServiceType.Namespace == "MassTransit"))
            values.AddRange([("Faults:Enabled", "perhaps"), ("Faults:HoldSeats:DropRate", "2"), ("Faults:HoldSeats:Delay", "soon"),
                ("Faults:HoldSeat:DropRate", "1"), ("Faults:HoldSeats", "1")]);
        if (host is Hosts.AllInOne or "Queue")
            values.AddRange([("Reservation:HoldDuration", "5"), ("Reservation:HoldDuration", "00:00:00")]);
        if (host is Hosts.AllInOne or "Orchestrator")
            values.AddRange([("Seats:MaxPerReservation", "0"), ("Seats:MaxPerReservation", "four")]);
        if (host is not Hosts.Gateway and not Hosts.AllInOneGateway)
            values.AddRange([("Database:Provider", "Oracle"), ("Database:Provider", "1"), ("Database:Provider", "")]);
        if (host is Hosts.Gateway)
            values.AddRange([("ReverseProxy:Clusters:seats:Destinations:one:Address", "seats"),
                ("ReverseProxy:Clusters:seats:Destinations:one:Address", $"http://u:{Password}@seats/")]);
        var wrong = values.Select(value => (value, problem: ProblemOf(host, value.Key, value.Value)))
            .Where(result => result.problem is not null)
            .Select(result => $"{result.value}: {result.problem}").ToList();
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("Sqlite", "garbage")]
    [InlineData("Sqlite", "Data Source=")]
    [InlineData("Sqlite", "Data Source=:memory:")]
    [InlineData("Sqlite", "Data Source=/no/such/folder/x.db")]
    [InlineData("Sqlite", "Data Source=x.db;Mode=Sideways")]
    [InlineData("Sqlite", "Host=db")]
    [InlineData("PostgreSql", "garbage")]
    [InlineData("PostgreSql", "Database=points")]
    [InlineData("PostgreSql", "Host=db;Port=many")]
    [InlineData("PostgreSql", "Host=db;Pasword=" + Password)]
    [InlineData("PostgreSql", "Host=db;Password=half;" + Password)]
    [InlineData("SqlServer", "garbage")]
    [InlineData("SqlServer", "Database=points")]
    [InlineData("SqlServer", "Server=db;Encrypt=perhaps")]
    [InlineData("SqlServer", "Server=db;Password=half;" + Password + "=x")]
    public void ConnectionString_Invalid_IsNamedAndNotShown(string provider, string text)
    {
        foreach (var owner in new[] { "Orchestrator", "Queue", "Seats", "Points", "Payments", "DataPlatform", "Operations" })
        {
            var failure = Assert.Throws<StartupException>(() =>
                Hosts.Build(owner, $"--Database:Provider={provider}", $"--ConnectionStrings:{owner}={text}"));
            Assert.StartsWith($"ConnectionStrings:{owner} ", failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(Password, failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', failure.Message);
        }
    }

    [Theory]
    [InlineData("Sqlite", "Data Source=points.db")]
    [InlineData("Sqlite", "Filename=points.db;Cache=Shared;Default Timeout=5")]
    [InlineData("PostgreSql", "Host=db;Username=u;Password=\"a;b\";Maximum Pool Size=3;SSL Mode=Require")]
    [InlineData("PostgreSql", "Server=db;User Id=u;No Reset On Close=false")]
    [InlineData("SqlServer",
        "Data Source=tcp:db,1433;Initial Catalog=points;Integrated Security=true;TrustServerCertificate=yes;Connect Timeout=5")]
    [InlineData("SqlServer", "Server=db;User Id=u;Password='a;b';Encrypt=Strict")]
    public void ConnectionString_Valid_IsAccepted(string provider, string text) =>
        Hosts.Build("Points", $"--Database:Provider={provider}", $"--ConnectionStrings:Points={text}");

    [Theory]
    [InlineData("amqp://u:" + Password + "@host:many/")]
    [InlineData("http://u:" + Password + "@host/")]
    [InlineData("u:" + Password)]
    [InlineData("")]
    public void BrokerAddress_Invalid_IsNamedAndNotShown(string text)
    {
        foreach (var host in Hosts.Names.Where(name => name != Hosts.AllInOneGateway))
        {
            var failure = Assert.Throws<StartupException>(() =>
                Hosts.Build(host, "--Messaging:Transport=RabbitMq", $"--ConnectionStrings:RabbitMq={text}"));
            Assert.StartsWith("ConnectionStrings:RabbitMq ", failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(Password, failure.Message, StringComparison.Ordinal);
        }
    }

    private static string? ProblemOf(string host, string key, string value)
    {
        try
        {
            Hosts.Build(host, $"--{key}={value}");
            return "started";
        }
        catch (StartupException failure)
        {
            // The message names the key, or its unknown part.
            return !key.StartsWith(failure.Message.Split(' ')[0], StringComparison.Ordinal) ? $"names another key: {failure.Message}"
                : failure.Message.Contains('\n') ? "has several lines"
                : !failure.Message.Contains("; allowed: ", StringComparison.Ordinal) ? $"does not say what is allowed: {failure.Message}"
                : failure.Message.Contains(Password, StringComparison.Ordinal) ? "shows the secret" : null;
        }
        catch (Exception failure)
        {
            return failure.ToString();
        }
    }

    private static string[] WrongFormsOf(Type type) =>
        type == typeof(int) || type == typeof(long) ? ["soon", "1.5", "1,5", " 5", "5 ", "0x10", "1e1", "99999999999999999999", ""]
        : type == typeof(double) ? ["soon", "NaN", "Infinity", "1e-1", " 0.5", "0,5", ""]
        : type == typeof(TimeSpan) ? ["soon", "5", "00:10", "10s", " 00:00:10", "00:00:10 ", "25:00:00", "00:00:75", "PT10S", ""]
        : type == typeof(bool) ? ["perhaps", "1", "yes", " true", ""]
        : type.IsEnum ? ["nonsense", "0", "1", "99", $"{Enum.GetNames(type)[0]}, {Enum.GetNames(type)[1]}", ""]
        : type == typeof(Uri)
            ? ["seats", "/path", "ftp://x/", "file:///etc/passwd", $"user1:{Password}", $"http://u:{Password}@host/", "http://",
            "http://host/#x", " http://host/", ""]
        : [];

    private static IEnumerable<(string Key, string Value)> OutOfRange(Setting setting)
    {
        if (setting.Property.GetCustomAttribute<RangeAttribute>() is not { } range)
            return [];
        var culture = CultureInfo.InvariantCulture;
        string[] values = setting.Type == typeof(TimeSpan)
            ? [(TimeSpan.Parse((string)range.Minimum, culture) - TimeSpan.FromTicks(1)).ToString("c", culture),
                (TimeSpan.Parse((string)range.Maximum, culture) + TimeSpan.FromTicks(1)).ToString("c", culture)]
            : setting.Type == typeof(double)
                ? [((double)range.Minimum - 0.001).ToString("0.000", culture), ((double)range.Maximum + 0.001).ToString("0.000", culture)]
                : [(Convert.ToInt64(range.Minimum, culture) - 1).ToString(culture),
                    (Convert.ToInt64(range.Maximum, culture) + 1).ToString(culture)];
        return values.Select(value => (setting.Key, value));
    }
}
