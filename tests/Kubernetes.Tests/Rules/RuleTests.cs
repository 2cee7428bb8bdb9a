using System.Reflection;
using ConcertSaga.Kubernetes.Tests.Manifests;
using ConcertSaga.Kubernetes.Tests.Monitoring;

namespace ConcertSaga.Kubernetes.Tests.Rules;

/// <summary>Every rule holds in every overlay, and each is broken once to show that it notices.</summary>
[Collection(nameof(PublishedMetrics))]
public sealed class RuleTests
{
    private static readonly Dictionary<string, Func<Manifest, IEnumerable<string>>> Rules =
        new[] { typeof(WorkloadRules), typeof(ReleaseRules), typeof(NetworkRules), typeof(AlertRules) }
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static))
            .Where(method => method.ReturnType == typeof(IEnumerable<string>))
            .ToDictionary(method => method.Name, method => method.CreateDelegate<Func<Manifest, IEnumerable<string>>>());

    public static TheoryData<string, string> RulesAndFolders =>
        [.. Rules.Keys.SelectMany(rule => Manifest.Folders.Select(folder => (rule, folder)))];

    public static TheoryData<string, string> Changes => [.. Mutations.All.Select(change => (change.Rule, change.Says))];

    [Theory]
    [MemberData(nameof(RulesAndFolders))]
    public void Rule_InEveryOverlay_Holds(string rule, string folder)
    {
        var violations = Rules[rule](Manifest.Read(folder)).ToArray();

        Assert.True(violations.Length == 0, string.Join('\n', violations));
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void Rule_BrokenOnce_SaysWhere(string rule, string says)
    {
        var change = Mutations.All.Single(one => one.Rule == rule && one.Says == says);
        var manifest = Manifest.Load(change.Folder);

        change.Apply(manifest);

        Assert.Contains(Rules[rule](manifest), violation => violation.Contains(says, StringComparison.Ordinal));
    }

    [Fact]
    public void Rules_OfAllKinds_AreBrokenOnce() =>
        Assert.Equal(Rules.Keys.Order(), Mutations.All.Select(change => change.Rule).Distinct().Order());
}
