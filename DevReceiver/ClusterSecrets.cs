using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ConcertSaga.DevReceiver;

/// <summary>
/// Creates the Secrets of a demo installation inside its Kubernetes cluster, so that none is in a repository. Each <c>{name}</c> of the
/// templates becomes a random text of 64 hexadecimal digits, which is also valid base64; a name that ends with <c>-pem</c>, a new private
/// key of the curve P-256. One Secret keeps these texts, so a command that is repeated after an interruption uses them again. A newer
/// version adds Secrets and keys that its templates name; an existing value never changes.
/// </summary>
internal sealed partial class ClusterSecrets(HttpClient api, string kubernetesNamespace)
{
    /// <summary>The Secret that keeps the random texts.</summary>
    public const string Kept = "demo-values";

    // Where Kubernetes mounts a token.
    private const string Account = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// <summary>Creates the Secrets of a template file: an object of Secrets, each an object of keys and texts.</summary>
    public static async Task CreateAsync(string templates)
    {
        using var authority = X509CertificateLoader.LoadCertificateFromFile($"{Account}/ca.crt");
        using var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            CustomTrustStore = { authority }
        };
        // Every pod has these variables.
        var address = new UriBuilder("https", Variable("KUBERNETES_SERVICE_HOST"),
            int.Parse(Variable("KUBERNETES_SERVICE_PORT"), CultureInfo.InvariantCulture));
        using var api = new HttpClient(handler) { BaseAddress = address.Uri };
        api.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync($"{Account}/token")).Trim());
        await new ClusterSecrets(api, (await File.ReadAllTextAsync($"{Account}/namespace")).Trim())
            .CreateFromAsync(await File.ReadAllTextAsync(templates));
    }

    /// <summary>Creates the Secrets of a template.</summary>
    public async Task CreateFromAsync(string templates)
    {
        var secrets = JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(templates)!;
        var names = secrets.Values.SelectMany(secret => secret.Values)
            .SelectMany(text => Names().Matches(text).Select(match => match.Groups[1].Value)).Distinct();
        var values = await CompleteAsync(Kept, names.ToDictionary(name => name, Create));
        foreach (var (name, secret) in secrets)
            await CompleteAsync(name, secret.ToDictionary(entry => entry.Key,
                entry => Names().Replace(entry.Value, match => values[match.Groups[1].Value])));
    }

    private static string Create(string name)
    {
        if (!name.EndsWith("-pem", StringComparison.Ordinal))
            return Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportPkcs8PrivateKeyPem();
    }

    // Creates a Secret, or adds the values that it lacks. Returns all its values.
    private async Task<Dictionary<string, string>> CompleteAsync(string name, Dictionary<string, string> values)
    {
        var address = $"/api/v1/namespaces/{kubernetesNamespace}/secrets";
        using var created = await api.PostAsJsonAsync(address, new
        {
            apiVersion = "v1",
            kind = "Secret",
            metadata = new { name },
            type = "Opaque",
            stringData = values
        });
        Report(name, created);
        if (created.StatusCode != HttpStatusCode.Conflict)
        {
            created.EnsureSuccessStatusCode();
            return values;
        }
        var existing = await api.GetFromJsonAsync<JsonElement>($"{address}/{name}");
        var known = existing.GetProperty("data").Deserialize<Dictionary<string, string>>()!
            .ToDictionary(entry => entry.Key, entry => Encoding.UTF8.GetString(Convert.FromBase64String(entry.Value)));
        var missing = values.Where(entry => !known.ContainsKey(entry.Key)).ToDictionary();
        if (missing.Count == 0)
            return known;
        // Refused if another command was faster. The Job then runs again.
        using var patch = JsonContent.Create(new
        {
            metadata = new { resourceVersion = existing.GetProperty("metadata").GetProperty("resourceVersion").GetString() },
            stringData = missing
        }, new MediaTypeHeaderValue("application/merge-patch+json"));
        using var patched = await api.PatchAsync($"{address}/{name}", patch);
        Report($"{name}, {string.Join(", ", missing.Keys)}", patched);
        patched.EnsureSuccessStatusCode();
        return known.Concat(missing).ToDictionary();
    }

    private static void Report(string what, HttpResponseMessage answer) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Secret {what}: {(int)answer.StatusCode} {answer.StatusCode}."));

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name)
        ?? throw new IOException($"{name} is not set, as it is in a pod.");

    [GeneratedRegex(@"\{([a-z-]+)\}")]
    private static partial Regex Names();
}
