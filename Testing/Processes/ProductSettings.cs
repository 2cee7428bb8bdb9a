using System.Security.Cryptography;

namespace ConcertSaga.Testing.Processes;

/// <summary>
/// The settings of the product's processes when each runs by itself on this machine: its database, the broker, and the processes it calls.
/// </summary>
public sealed record ProductSettings
{
    /// <summary>The process with the public address.</summary>
    public const string Gateway = "Gateway";

    /// <summary>The processes with a database, by the folders of their projects.</summary>
    public static readonly IReadOnlyList<string> Owners =
    [
        "Orchestrator", "Services/Queue", "Services/Seats", "Services/Points", "Services/Payments", "Services/DataPlatform",
        "Services/Operations"
    ];

    // The processes that the gateway calls.
    private static readonly string[] Clusters = ["orchestrator", "queue", "seats", "points", "dataplatform", "operations"];

    private readonly string _secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
    private readonly string _demoKey = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>The address of the broker's virtual host.</summary>
    public required string Broker { get; init; }

    /// <summary>The connection string of each owner.</summary>
    public required IReadOnlyDictionary<string, string> Databases { get; init; }

    /// <summary>The address of each process.</summary>
    public required IReadOnlyDictionary<string, Uri> Addresses { get; init; }

    /// <summary>Where the data platform receives events.</summary>
    public required Uri Destination { get; init; }

    /// <summary>What signs the events.</summary>
    public string DestinationSecret { get; init; } = $"whsec_{Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))}";

    /// <summary>What the gateway and the services show each other.</summary>
    public string Secret => _secret;

    /// <summary>The name of a process in its settings: the last part of its folder.</summary>
    public static string NameOf(string process) => Path.GetFileName(process);

    /// <summary>Returns the settings of a process as arguments of its program.</summary>
    public IEnumerable<string> ArgumentsOf(string process)
    {
        yield return $"--Gateway:Secret={_secret}";
        yield return $"--ConnectionStrings:RabbitMq={Broker}";
        if (process == Gateway)
        {
            yield return "--Authentication:Demo:Enabled=true";
            yield return $"--Authentication:Demo:Key={_demoKey}";
            foreach (var cluster in Clusters)
                yield return $"--ReverseProxy:Clusters:{cluster}:Destinations:one:Address={AddressOf(cluster)}";
            yield break;
        }
        yield return "--Database:Provider=PostgreSql";
        yield return $"--ConnectionStrings:{NameOf(process)}={Databases[process]}";
        foreach (var argument in NameOf(process) switch
        {
            "Orchestrator" =>
                [$"--Reservation:SeatsAddress={AddressOf("seats")}", $"--Reservation:DataPlatformAddress={AddressOf("dataplatform")}"],
            "Queue" => [$"--Queue:SeatsAddress={AddressOf("seats")}", $"--Queue:OrchestratorAddress={AddressOf("orchestrator")}"],
            "Seats" => ["--Seats:SeedDemoData=true"],
            "DataPlatform" =>
            [
                $"--DataPlatform:Destination={Destination}", $"--DataPlatform:Secrets={DestinationSecret}",
                "--DataPlatform:AllowedNetworks=127.0.0.0/8", $"--DataPlatform:OrchestratorAddress={AddressOf("orchestrator")}"
            ],
            "Operations" => Addresses.Where(other => other.Key != process)
                .Select(other => $"--Operations:{NameOf(other.Key)}Address={other.Value}"),
            _ => Array.Empty<string>()
        })
            yield return argument;
    }

    private Uri AddressOf(string name) =>
        Addresses.Single(process => NameOf(process.Key).Equals(name, StringComparison.OrdinalIgnoreCase)).Value;
}
